package terminal

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The master is handed to the process in the pane over a socket in a private folder, since tmux closes what it does not
// know before it starts a command. One byte tells the mode, the descriptor comes with it; the connection then stays
// open, and its end is the end of the view.
const (
	modeWrite = 'w'
	modeRead  = 'r'
)

// handWait bounds the time from the start of tmux until the process in its pane has asked for the master.
const handWait = 10 * time.Second

// give waits for the one process that may ask and hands it the master. Other users are turned away.
func give(l *net.UnixListener, master *os.File, uid int, readOnly bool) (*net.UnixConn, error) {
	if err := l.SetDeadline(time.Now().Add(handWait)); err != nil {
		return nil, err
	}
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, fmt.Errorf("wait for the view: %w", err)
		}
		if peer, err := peerUID(c); err != nil || peer != uid {
			c.Close()
			continue
		}
		mode := byte(modeWrite)
		if readOnly {
			mode = modeRead
		}
		if err := sendFile(c, mode, master); err != nil {
			c.Close()
			return nil, fmt.Errorf("hand over the terminal: %w", err)
		}
		return c, nil
	}
}

func sendFile(c *net.UnixConn, mode byte, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		_, _, sendErr = c.WriteMsgUnix([]byte{mode}, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, sendErr)
}

func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Uid), nil
}

// take asks at the socket for the master.
func take(socket string) (c *net.UnixConn, master *os.File, readOnly bool, err error) {
	c, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, nil, false, fmt.Errorf("ask for the terminal: %w", err)
	}
	mode, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, oobn, _, _, err := c.ReadMsgUnix(mode, oob)
	if err != nil {
		c.Close()
		return nil, nil, false, fmt.Errorf("ask for the terminal: %w", err)
	}
	fd, err := oneRight(oob[:oobn])
	if err != nil {
		c.Close()
		return nil, nil, false, fmt.Errorf("ask for the terminal: %w", err)
	}
	return c, os.NewFile(uintptr(fd), "ptmx"), mode[0] != modeWrite, nil
}

func oneRight(oob []byte) (int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, err
	}
	if len(msgs) != 1 {
		return 0, fmt.Errorf("got %d descriptors, want 1", len(msgs))
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return 0, err
	}
	if len(fds) != 1 {
		return 0, fmt.Errorf("got %d descriptors, want 1", len(fds))
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}
