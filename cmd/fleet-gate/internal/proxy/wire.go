package proxy

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

const (
	// bulkSize is what a read takes in where much comes: several TLS records of 16 KiB. Where more comes it is floodSize.
	bulkSize  = 128 << 10
	floodSize = hugeCopy

	// bulkFrom is how much a read has to bring for the next one to be one of bulkSize.
	bulkFrom = 4 << 10

	// maxRecord is what one TLS record holds. Of several that are written at once, the connection is asked once.
	maxRecord = 16 << 10
)

var bulks, floods = buffers(bulkSize), buffers(floodSize)

// wire is a TCP connection below TLS or HTTP. It reads and writes many records at once where there are many, and has no
// buffer else.
type wire struct {
	net.Conn // tcp, without what would go around Read and Write
	tcp      *net.TCPConn

	in      *[]byte    // nil where nothing waits in it
	of      *sync.Pool // to which in goes back
	from    int        // of in
	to      int
	bulk    bool         // the last read brought all that it could
	waiting atomic.Int32 // bytes in in
	flooded atomic.Bool

	wasCut atomic.Bool // by a new policy

	mu   sync.Mutex
	hold bool
	out  []byte
}

func newWire(c *net.TCPConn) wire { return wire{Conn: c, tcp: c} }

// CloseWrite ends one direction.
func (w *wire) CloseWrite() error { return w.tcp.CloseWrite() }

func (w *wire) Read(p []byte) (int, error) {
	if w.in != nil {
		return w.take(p), nil
	}
	if !w.bulk || len(p) >= bulkSize {
		n, err := w.tcp.Read(p)
		w.bulk = n == len(p) && n >= bulkFrom
		return n, err
	}
	w.of = bulks
	if w.flooded.Load() {
		w.of = floods
	}
	buf := w.of.Get().(*[]byte)
	n, err := w.tcp.Read(*buf)
	w.bulk = n >= len(p)
	if n == 0 {
		w.of.Put(buf)
		return 0, err
	}
	w.in, w.from, w.to = buf, 0, n
	return w.take(p), nil
}

func (w *wire) take(p []byte) int {
	n := copy(p, (*w.in)[w.from:w.to])
	w.from += n
	w.waiting.Store(int32(w.to - w.from))
	if w.from == w.to {
		w.of.Put(w.in)
		w.in = nil
	}
	return n
}

// flood tells whether more comes than bulkSize is good for.
func (w *wire) flood(yes bool) {
	if w != nil {
		w.flooded.Store(yes)
	}
}

// pending tells whether bytes have been read from the connection that nobody has taken yet.
func (w *wire) pending() bool { return w != nil && w.waiting.Load() > 0 }

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hold {
		w.out = append(w.out, p...)
		return len(p), nil
	}
	return w.tcp.Write(p)
}

// batch is what is written to instead of a TLS connection over a wire.
type batch struct {
	*tls.Conn
	w *wire
}

var outs = sync.Pool{New: func() any { return new([]byte) }}

// Write writes the records of p at once.
func (b *batch) Write(p []byte) (int, error) {
	if len(p) <= maxRecord {
		return b.Conn.Write(p)
	}
	out := outs.Get().(*[]byte)
	defer outs.Put(out)
	b.w.collect((*out)[:0])
	n, err := b.Conn.Write(p)
	if late := b.w.collected(out); err == nil && late != nil {
		return 0, late
	}
	return n, err
}

func (w *wire) collect(out []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out, w.hold = out, true
}

// collected writes what was collected, before anybody else writes.
func (w *wire) collected(out *[]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	*out = w.out
	w.out, w.hold = nil, false
	_, err := w.tcp.Write(*out)
	return err
}
