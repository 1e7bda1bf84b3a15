package terminal

import (
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// hangupPause is how long the relay waits before it reads again from a master whose other side is closed: systemd opens
// and closes a TTYPath= more than once before the program has it.
const hangupPause = 20 * time.Millisecond

// Relay is what runs in the pane: it takes the master at the socket and copies between it and the terminal on in and
// out until the giver closes the connection. Input is dropped where the giver said read-only.
func Relay(socket string, in, out *os.File) error {
	conn, master, readOnly, err := take(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if old, err := term.MakeRaw(int(in.Fd())); err == nil {
		defer func() { _ = term.Restore(int(in.Fd()), old) }() // the pane ends
	}
	stopSizes := forwardSize(in, master)
	done := make(chan struct{})
	go waitEnd(conn, done)
	go copyOut(out, master, done)
	go copyIn(master, in, readOnly)
	<-done
	stopSizes()
	return master.Close()
}

// forwardSize gives the master the size of the pane, now and at each change, until stop, after which neither file is
// touched any more.
func forwardSize(from, to *os.File) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	_ = pty.InheritSize(from, to) // fails only where one of them is gone, and then all ends
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range changes {
			_ = pty.InheritSize(from, to)
		}
	}()
	return func() {
		signal.Stop(changes)
		close(changes)
		<-ended
	}
}

func waitEnd(conn net.Conn, done chan<- struct{}) {
	_, _ = io.Copy(io.Discard, conn) // ends when the giver closes or dies
	close(done)
}

func copyOut(out io.Writer, master *os.File, done <-chan struct{}) {
	for {
		_, err := io.Copy(out, master)
		if err != nil && !errors.Is(err, syscall.EIO) {
			return
		}
		select {
		case <-done:
			return
		case <-time.After(hangupPause):
		}
	}
}

func copyIn(master io.Writer, in io.Reader, readOnly bool) {
	if readOnly {
		master = io.Discard
	}
	_, _ = io.Copy(master, in) // ends with the pane
}
