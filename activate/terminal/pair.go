// Package terminal shows a person the terminal of an agent without letting the agent's bytes reach the person's own
// terminal. A fresh pseudo-terminal is given to a unit that runs as the agent; its master side is shown in the only pane
// of a second tmux that belongs to the person, which draws cells and passes nothing through. No process of the person's
// ever connects to a socket of the agent's.
package terminal

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/creack/pty"
)

// Pair is a pseudo-terminal of which this process holds the master. Nobody has opened the other side yet.
type Pair struct {
	Master *os.File
	Number int // N of /dev/pts/N
}

// Open makes a pseudo-terminal of the size of like, where that is a terminal.
func Open(like *os.File) (*Pair, error) {
	master, other, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("make a pseudo-terminal: %w", err)
	}
	name := other.Name()
	other.Close()
	n, err := strconv.Atoi(filepath.Base(name))
	if err != nil || filepath.Dir(name) != "/dev/pts" {
		master.Close()
		return nil, fmt.Errorf("make a pseudo-terminal: its name is %q, not /dev/pts/N", name)
	}
	p := &Pair{Master: master, Number: n}
	if size, err := pty.GetsizeFull(like); err == nil && size.Rows > statusRows {
		size.Rows -= statusRows
		if err := pty.Setsize(master, size); err != nil {
			master.Close()
			return nil, fmt.Errorf("size the pseudo-terminal: %w", err)
		}
	}
	return p, nil
}

// Close ends the terminal: whoever uses the other side is hung up.
func (p *Pair) Close() error { return p.Master.Close() }
