// Package wake tells an agent's runner that something came for the agent: a small file for each call, in a folder where the
// runner looks while it pauses.
package wake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"fleet/schemas/chat"
)

const (
	// most files are in a folder. The oldest ones go: what they tell of the agent reads anyway.
	most = 32

	// temporary begins the name of a file that is not whole yet, which no runner looks at.
	temporary = ".new"

	// Others read the file: the folder lets only the agent's runner in.
	mode = 0o644
)

// Folders are those of a project's agents.
type Folders struct {
	dir map[string]string

	mu   sync.Mutex
	last int64 // number that was given
}

// New returns the folders that the configuration names.
func New(c *chat.Config) *Folders {
	f := &Folders{dir: map[string]string{}}
	for _, a := range c.Agents {
		if a.Wake != "" {
			f.dir[a.Key] = a.Wake
		}
	}
	return f
}

// Wakes tells whether an agent has a folder.
func (f *Folders) Wakes(agent string) bool { return f.dir[agent] != "" }

// Wake leaves a file whose name is a number, higher than those of all files before, whether they are still there or not.
// The file is there whole or not at all.
func (f *Folders) Wake(agent string, w chat.Wake) error {
	if !f.Wakes(agent) {
		return nil
	}
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	root, err := os.OpenRoot(f.dir[agent])
	if err != nil {
		return fmt.Errorf("wake %s: %w", agent, err)
	}
	defer root.Close()
	if err := f.leave(root, append(text, '\n')); err != nil {
		return fmt.Errorf("wake %s: %w", agent, err)
	}
	return nil
}

func (f *Folders) leave(root *os.Root, text []byte) error {
	numbers, err := present(root)
	if err != nil {
		return err
	}
	next := max(f.last+1, time.Now().UnixNano())
	if n := len(numbers); n > 0 {
		next = max(next, numbers[n-1]+1) // also where the clock was put back
	}
	f.last = next
	for len(numbers) >= most {
		if err := root.Remove(name(numbers[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		numbers = numbers[1:]
	}
	if err := root.WriteFile(temporary, text, mode); err != nil {
		return err
	}
	if err := root.Chmod(temporary, mode); err != nil { // whatever the unit's UMask= is
		return err
	}
	return root.Rename(temporary, name(next))
}

func name(n int64) string { return strconv.FormatInt(n, 10) }

// present returns the numbers of the files that are there, rising.
func present(root *os.Root) ([]int64, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, one := range names {
		if n, err := strconv.ParseInt(one, 10, 64); err == nil && n > 0 && name(n) == one {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}
