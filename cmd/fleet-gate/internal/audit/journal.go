package audit

import (
	"errors"
	"net"
	"time"
)

// Socket is where journald listens, inside a unit with LogNamespace= that of its namespace.
const Socket = "/run/systemd/journal/socket"

const (
	// patience is how long a record waits for a journald that does not read, slack how much longer it may be.
	patience = 2 * time.Second
	slack    = time.Second

	// pause is how long nothing is tried after that. Nothing is allowed then.
	pause = 500 * time.Millisecond
)

var errStuck = errors.New("the journal does not take records")

// Journal sends entries in the journal's native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. The journal
// package of go-systemd is not used, since it waits for ever, and its socket is not connected, for which the kernel
// does not wake a sender when a full queue has room again. It is used by one sender at a time.
type Journal struct {
	path string
	conn *net.UnixConn

	until time.Time // the deadline of conn
}

// OpenJournal connects to the journal at path.
func OpenJournal(path string) (*Journal, error) {
	j := &Journal{path: path}
	return j, j.dial()
}

func (j *Journal) dial() error {
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

// Send sends an entry as one datagram.
func (j *Journal) Send(entry []byte) error {
	err := j.send(entry)
	switch {
	case err == nil:
		return nil
	case isTimeout(err):
		return errStuck
	}
	// A journald that was started anew with a new socket.
	if err := j.dial(); err != nil {
		return err
	}
	return j.send(entry)
}

func (j *Journal) send(entry []byte) error {
	if err := j.hurry(); err != nil {
		return err
	}
	_, err := j.conn.Write(entry)
	return err
}

// hurry sets a deadline for writing. It is not set anew for each of thousands of records in a second.
func (j *Journal) hurry() error {
	now := time.Now()
	if j.until.Sub(now) >= patience {
		return nil
	}
	j.until = now.Add(patience + slack)
	return j.conn.SetWriteDeadline(j.until)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// Close ends the connection.
func (j *Journal) Close() error { return j.conn.Close() }
