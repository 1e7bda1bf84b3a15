package terminal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// tmuxProgram is named in full: the view may run as root.
const tmuxProgram = "/usr/bin/tmux"

// endWait bounds the time that tmux has for putting the person's terminal right after the end.
const endWait = 3 * time.Second

// View says what to show to whom.
type View struct {
	Title    string   // shown below the terminal, such as "demo/lead"
	ReadOnly bool     // drop what the person types
	Operator Operator // whose tmux shows it
	Relay    []string // command that calls Relay; the socket's path is appended
	Terminal *os.File // the person's
	Folder   string   // where a private folder is made; only root and the person may be able to write there
}

// Show shows the pair until the person leaves, ended is closed or ctx ends. It returns left where it was the person who
// ended it.
func Show(ctx context.Context, p *Pair, v View, ended <-chan struct{}) (left bool, err error) {
	dir, listener, err := v.folder()
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	defer listener.Close()
	client, err := v.start(dir)
	if err != nil {
		return false, err
	}
	gone := make(chan error, 1)
	go func() { gone <- client.Wait() }()
	conns := make(chan *net.UnixConn, 1)
	go func() {
		if c, err := give(listener, p.Master, v.Operator.UID, v.ReadOnly); err == nil {
			conns <- c
		}
		close(conns)
	}()
	var clientErr error
	select {
	case clientErr = <-gone:
		left = true
	case <-ended:
	case <-ctx.Done():
	}
	listener.Close()
	conn, shown := <-conns
	if shown {
		conn.Close()
	}
	switch {
	case !left:
		return false, v.finish(client, gone)
	case clientErr == nil && !shown:
		return true, fmt.Errorf("show the terminal: %q did not run in the view", v.Relay)
	}
	return true, v.clientError(clientErr)
}

// folder makes the private folder with configuration and sockets. It belongs to the person, since the person's tmux
// makes its socket in it.
func (v View) folder() (string, *net.UnixListener, error) {
	dir, err := os.MkdirTemp(v.Folder, "attach-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the view: %w", err)
	}
	l, err := v.fill(dir)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, fmt.Errorf("prepare the view: %w", err)
	}
	return dir, l, nil
}

func (v View) fill(dir string) (*net.UnixListener, error) {
	conf := filepath.Join(dir, "tmux.conf")
	if err := os.WriteFile(conf, []byte(configuration(v.Title, v.ReadOnly)), 0o444); err != nil {
		return nil, err
	}
	socket := v.socket(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	// The folder is given away last: from then on its names are the person's.
	for _, path := range []string{socket, dir} {
		if err := os.Lchown(path, v.Operator.UID, v.Operator.GID); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

func (v View) socket(dir string) string { return filepath.Join(dir, "terminal") }

// start runs the client of the person's tmux on the person's terminal, as the person.
func (v View) start(dir string) (*exec.Cmd, error) {
	args := []string{"-S", filepath.Join(dir, "tmux"), "-f", filepath.Join(dir, "tmux.conf"), "new-session", "-s", "view", "--"}
	args = append(append(args, v.Relay...), v.socket(dir))
	cmd := exec.Command(tmuxProgram, args...)
	cmd.Dir = "/"
	cmd.Env = v.Operator.environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = v.Terminal, v.Terminal, v.Terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: v.Operator.Credential()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", tmuxProgram, err)
	}
	return cmd, nil
}

// finish waits until tmux has ended with the end of its only pane, and ends it where it does not.
func (v View) finish(client *exec.Cmd, gone <-chan error) error {
	select {
	case err := <-gone:
		return v.clientError(err)
	case <-time.After(endWait):
	}
	_ = client.Process.Signal(syscall.SIGTERM) // it may have ended just now
	select {
	case <-gone: //nolint:errcheck // how it ends counts no more
	case <-time.After(endWait):
		_ = client.Process.Kill()
		<-gone //nolint:errcheck // it was killed
	}
	return errors.New("the view had to be ended by force; run reset where the terminal looks odd")
}

func (v View) clientError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("show the terminal: %s: %w\n  hint: TERM is %q; try TERM=xterm-256color where tmux does not know it",
		tmuxProgram, err, v.Operator.Term)
}

// safeTerm is what a TERM may look like: it names a file in the terminfo folders.
var safeTerm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)
