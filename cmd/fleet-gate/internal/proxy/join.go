package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"fleet/cmd/fleet-gate/internal/budget"
)

var errIdle = errors.New("no byte either way for too long")

// upgrade joins both connections. What the two sides then say is not looked at.
func (x *exchange) upgrade(resp *http.Response) error {
	server, ok := resp.Body.(stream)
	if !ok || !x.upgraded {
		return errUnasked
	}
	h := resp.Header
	strip(h)
	client, err := x.a.upgrade(h)
	if err != nil {
		return err
	}
	j := &join{a: client, b: &clean{server, x.use.Reader(server)}, up: &x.body.n, down: &x.down, meter: x.meter}
	return j.run(x.s.p.Idle)
}

// clean is a host's end of a connection, of which what is read is without secrets.
type clean struct {
	stream
	r io.Reader
}

func (c *clean) Read(p []byte) (int, error) { return c.r.Read(p) }

// join copies between two connections.
type join struct {
	a, b     stream
	up, down *atomic.Int64
	meter    *budget.Meter // of the bytes up

	idle atomic.Bool
}

// looks is how often in its idle time a join is looked at.
const looks = 4

// run copies until both sides have ended, one fails, or no byte went for so long; 0: never.
func (j *join) run(idle time.Duration) error {
	if idle > 0 {
		done := make(chan struct{})
		defer close(done)
		go j.watch(idle, done)
	}
	var other error
	var wg sync.WaitGroup
	wg.Go(func() { other = j.oneWay(j.b, j.a, j.up, j.meter) })
	err := j.oneWay(j.a, j.b, j.down, nil)
	wg.Wait()
	j.close()
	if j.idle.Load() {
		return errIdle
	}
	return errors.Join(err, other)
}

func (j *join) close() {
	j.a.Close()
	j.b.Close()
}

// oneWay passes the end of one direction on and leaves the other one open; an error ends both.
func (j *join) oneWay(dst, src stream, n *atomic.Int64, m *budget.Meter) error {
	buf := smallCopies.Get().(*[]byte)
	defer smallCopies.Put(buf)
	for {
		got, err := src.Read(*buf)
		if may := m.Take(got); may < got {
			got, err = may, m.Refusal()
		}
		if got > 0 {
			n.Add(int64(got))
			if _, err := dst.Write((*buf)[:got]); err != nil {
				j.close()
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			_ = dst.CloseWrite() // the other side of what is gone already sees its end anyhow
			return nil
		}
		if err != nil {
			j.close()
			return err
		}
	}
}

// watch ends a join over which nothing goes.
func (j *join) watch(idle time.Duration, done chan struct{}) {
	t := time.NewTicker(idle / looks)
	defer t.Stop()
	quiet, seen := 0, int64(0)
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		if now := j.up.Load() + j.down.Load(); now != seen {
			quiet, seen = 0, now
		} else if quiet++; quiet >= looks {
			j.idle.Store(true)
			j.close()
			return
		}
	}
}
