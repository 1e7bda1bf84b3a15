package spool

import (
	"errors"
	"net"
	"time"
)

// Socket is where journald listens, inside a unit with LogNamespace= that of its namespace.
const Socket = "/run/systemd/journal/socket"

// Patience is how long a record waits for a journald that does not read.
const Patience = 2 * time.Second

const (
	slack = time.Second // how much longer that may be

	// pause is how long nothing is tried after that. Nothing is allowed then.
	pause = 500 * time.Millisecond
)

// ErrStuck is the error where the journal takes nothing for now.
var ErrStuck = errors.New("the journal does not take records")

// journal sends entries in the journal's native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. The journal
// package of go-systemd is not used, since it waits for ever, and its socket is not connected, for which the kernel
// does not wake a sender when a full queue has room again. It is used by one sender at a time.
type journal struct {
	path string
	conn *net.UnixConn

	until time.Time // the deadline of conn
}

// openJournal connects to the journal at path.
func openJournal(path string) (*journal, error) {
	j := &journal{path: path}
	return j, j.dial()
}

func (j *journal) dial() error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.path, Net: "unixgram"})
	if err != nil {
		return err
	}
	if j.conn != nil {
		j.conn.Close()
	}
	j.conn, j.until = c, time.Time{}
	return nil
}

// send sends an entry as one datagram.
func (j *journal) send(entry []byte) error {
	err := j.write(entry)
	switch {
	case err == nil:
		return nil
	case isTimeout(err):
		return ErrStuck
	}
	// A journald that was started anew with a new socket.
	if err := j.dial(); err != nil {
		return err
	}
	return j.write(entry)
}

func (j *journal) write(entry []byte) error {
	if err := j.hurry(); err != nil {
		return err
	}
	_, err := j.conn.Write(entry)
	return err
}

// hurry sets a deadline for writing. It is not set anew for each of thousands of records in a second.
func (j *journal) hurry() error {
	now := time.Now()
	if j.until.Sub(now) >= Patience {
		return nil
	}
	j.until = now.Add(Patience + slack)
	return j.conn.SetWriteDeadline(j.until)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func (j *journal) close() error { return j.conn.Close() }
