package audit

import (
	"errors"
	"net"
	"sync"
	"time"

	"fleet/schemas/audit"
)

// Socket is where journald listens, inside a unit with LogNamespace= that of its namespace.
const Socket = "/run/systemd/journal/socket"

const (
	// patience is how long a record waits for a journald that does not read, slack how much longer it may be.
	patience = 2 * time.Second
	slack    = time.Second

	// pause is how long nothing is tried after that, so that many connections do not wait one after the other.
	pause = 500 * time.Millisecond
)

var errStuck = errors.New("the journal does not take records")

// Journal sends entries in the journal's native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. The journal
// package of go-systemd is not used, since it waits for ever, and its socket is not connected, for which the kernel
// does not wake a sender when a full queue has room again.
type Journal struct {
	path string
	mu   sync.Mutex
	conn *net.UnixConn
	buf  []byte
	next time.Time // before it, nothing is tried

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

// Send sends a record as one datagram.
func (j *Journal) Send(r *audit.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Now().Before(j.next) {
		return errStuck
	}
	j.buf = r.Append(j.buf[:0])
	err := j.send()
	if err == nil {
		return nil
	}
	if isTimeout(err) {
		j.next = time.Now().Add(pause)
		return errStuck
	}
	// A journald that was started anew with a new socket.
	if err := j.dial(); err != nil {
		return err
	}
	return j.send()
}

func (j *Journal) send() error {
	if err := j.hurry(); err != nil {
		return err
	}
	_, err := j.conn.Write(j.buf)
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
