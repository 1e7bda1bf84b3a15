// Package relay copies bytes between two TCP connections, in the kernel once there are many of them. A tunnel over which
// nothing goes has two descriptors, two small goroutines and no buffer.
package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/worker"
)

const (
	// bufferSize is what one read takes in. 16 KiB is the largest TLS record; bulk goes by splice.
	bufferSize = 16 << 10

	// burst is after how many bytes one way splice(2) takes over, whose pipe costs two descriptors: most requests and
	// answers are smaller.
	burst = 256 << 10

	// spliceTurn is how long bytes are spliced before the tunnel looks whether it should go back to reading, and so
	// about how long one that falls silent keeps its pipe.
	spliceTurn = time.Second

	// looks is how often in its idle time a tunnel is looked at.
	looks = 4
)

// End tells why a tunnel ended.
type End string

const (
	Closed End = "closed" // both sides have closed
	Failed End = "failed" // one side broke the connection
	Idle   End = "idle"   // no byte either way for the idle time
	Cut    End = "cut"    // by Tunnel.Cut
	Spent  End = "budget" // as many bytes have gone up as Tunnel.Limit let
)

// Result is what a tunnel moved and why it ended.
type Result struct {
	Up, Down int64 // bytes from client to server, and from server to client, as written to the other side
	End      End
}

// Tunnel copies between two connections, of which it owns both from New on.
type Tunnel struct {
	client, server *net.TCPConn
	up, down       atomic.Int64
	ended          atomic.Int32 // directions
	idle           time.Duration
	take           func(n int) int // nil where bytes up have no limit

	mu    sync.Mutex
	end   End
	timer *time.Timer
	quiet int       // looks in a row in which no byte had moved
	seen  [4]uint64 // the kernel's counts at the last look
}

// New makes a tunnel of two connected TCP connections. It ends after idle without a byte either way; 0: never.
func New(client, server *net.TCPConn, idle time.Duration) *Tunnel {
	return &Tunnel{client: client, server: server, idle: idle}
}

// Limit has take asked, before Run, how many of n bytes may go up; fewer than n ends the tunnel when they have gone. Such
// bytes are not spliced, so that not one too many goes out.
func (t *Tunnel) Limit(take func(n int) int) { t.take = take }

// Run copies both ways until both sides have closed, one fails, or the tunnel is idle or cut, and closes both
// connections. The end of one direction is passed on and leaves the other one open. Up to head is written to the server
// first: what was read of the client's bytes already.
func (t *Tunnel) Run(head []byte) Result {
	t.watch()
	if len(head) > 0 {
		if err := copyOne(t.server, head, &t.up, t.take); err != nil {
			t.fail(err)
		}
	}
	var other sync.WaitGroup
	other.Add(1)
	worker.Go(func() {
		defer other.Done()
		t.oneWay(t.client, t.server, &t.down, nil)
	})
	t.oneWay(t.server, t.client, &t.up, t.take)
	other.Wait()
	t.stop(Closed)
	return Result{Up: t.up.Load(), Down: t.down.Load(), End: t.end}
}

// Moved is the bytes so far; a spliced part is counted at the latest after a second.
func (t *Tunnel) Moved() (up, down int64) { return t.up.Load(), t.down.Load() }

// Cut ends the tunnel at once; both sides see a reset.
func (t *Tunnel) Cut() {
	_ = t.client.SetLinger(0)
	_ = t.server.SetLinger(0)
	t.stop(Cut)
}

// Stop ends a tunnel that did not run, and returns why it ended: of several reasons it has the first.
func (t *Tunnel) Stop(why End) End {
	t.stop(why)
	return t.end
}

// stop closes both connections; the first reason is kept.
func (t *Tunnel) stop(why End) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end != "" {
		return
	}
	t.end = why
	if t.timer != nil {
		t.timer.Stop()
	}
	t.client.Close()
	t.server.Close()
}

func (t *Tunnel) oneWay(dst, src *net.TCPConn, n *atomic.Int64, take func(int) int) {
	if err := copyAll(dst, src, n, take); err != nil {
		t.fail(err)
		return
	}
	if t.ended.Add(1) == 2 {
		return // and both connections are closed
	}
	// The other side of a connection that is gone already sees its end anyhow.
	_ = dst.CloseWrite()
}

func (t *Tunnel) fail(err error) {
	if !errors.Is(err, errSpent) {
		t.stop(Failed)
		return
	}
	_ = t.client.SetLinger(0)
	t.stop(Spent)
}

var errSpent = errors.New("no more bytes may go up")

// copyAll copies until src's end.
func copyAll(dst, src *net.TCPConn, n *atomic.Int64, take func(int) int) error {
	r, err := newReader(src)
	if err != nil {
		return err
	}
	for {
		err := copySome(dst, r, n, take)
		if err == nil && take == nil {
			err = spliceSome(dst, src, n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copySome reads and writes until burst bytes have gone without a pause longer than spliceTurn; io.EOF is src's end.
func copySome(dst *net.TCPConn, r *reader, n *atomic.Int64, take func(int) int) error {
	since, moved := time.Now(), 0
	for moved < burst {
		buf, got, err := r.read()
		if err != nil {
			return err
		}
		err = copyOne(dst, buf[:got], n, take)
		buffers.Put(buf)
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(since) > spliceTurn {
			since, moved = now, 0
		}
		moved += got
	}
	return nil
}

// copyOne writes as many of the bytes as may go.
func copyOne(dst *net.TCPConn, b []byte, n *atomic.Int64, take func(int) int) error {
	may := len(b)
	if take != nil {
		may = take(may)
	}
	wrote, err := dst.Write(b[:may])
	n.Add(int64(wrote))
	if err == nil && may < len(b) {
		return errSpent
	}
	return err
}

// spliceSome lets the standard library splice as long as burst bytes go in a turn; io.EOF is src's end. A turn ends by
// src's read deadline, at which the library's pipe is empty: no byte is lost.
func spliceSome(dst, src *net.TCPConn, n *atomic.Int64) error {
	for {
		if err := src.SetReadDeadline(time.Now().Add(spliceTurn)); err != nil {
			return err
		}
		moved, err := dst.ReadFrom(src)
		n.Add(moved)
		if err == nil {
			return io.EOF
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if moved < burst {
			return src.SetReadDeadline(time.Time{})
		}
	}
}

// watch begins to look for silence. The kernel's own counts tell of it, so that copying sets no deadline, and a slow
// reader of spliced bytes is not taken for a silent one.
func (t *Tunnel) watch() {
	if t.idle == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(t.idle/looks, t.look)
}

func (t *Tunnel) look() {
	seen := counts(t.client, t.server)
	t.mu.Lock()
	if seen != t.seen {
		t.seen, t.quiet = seen, 0
	} else {
		t.quiet++
	}
	idle := t.quiet >= looks
	if !idle && t.end == "" {
		t.timer.Reset(t.idle / looks)
	}
	t.mu.Unlock()
	if idle {
		t.stop(Idle)
	}
}

// counts gives the bytes that each connection has received, and had acknowledged by its peer.
func counts(conns ...*net.TCPConn) (all [4]uint64) {
	for i, c := range conns {
		raw, err := c.SyscallConn()
		if err != nil {
			continue
		}
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				all[2*i], all[2*i+1] = info.Bytes_received, info.Bytes_acked
			}
		})
	}
	return all
}
