package relay

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// pair gives both ends of a TCP connection on loopback.
func pair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if b, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// tunnel gives the ends of client and server with a tunnel between them, and where its result arrives.
func tunnel(t testing.TB, idle time.Duration, head string) (client, server *net.TCPConn, tn *Tunnel, end chan Result) {
	t.Helper()
	client, c := pair(t)
	s, server := pair(t)
	tn = New(c, s, idle)
	end = make(chan Result, 1)
	go func() { end <- tn.Run([]byte(head)) }()
	return client, server, tn, end
}

func result(t *testing.T, end chan Result) Result {
	t.Helper()
	select {
	case r := <-end:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("the tunnel does not end")
		panic("unreachable")
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// EGR-I3: half-close from either side, the other direction drains; small, and so large that it is spliced.
func TestI3HalfClose(t *testing.T) {
	for _, size := range []int{0, 1, 1000, burst - 1, burst, 8 << 20} {
		client, server, _, end := tunnel(t, time.Minute, "head ")
		up, down := random(size), random(size+7)
		var wg sync.WaitGroup
		wg.Go(func() {
			client.Write(up)
			client.CloseWrite()
		})
		got, err := io.ReadAll(server)
		wg.Wait()
		if err != nil || !bytes.Equal(got, append([]byte("head "), up...)) {
			t.Fatalf("size %d: %d bytes up, %v", size, len(got), err)
		}
		wg.Go(func() {
			server.Write(down)
			server.Close()
		})
		got, err = io.ReadAll(client)
		wg.Wait()
		if err != nil || !bytes.Equal(got, down) {
			t.Fatalf("size %d: %d bytes down, %v", size, len(got), err)
		}
		if d, want := result(t, end), (Result{Up: int64(size + 5), Down: int64(size + 7), End: Closed}); d != want {
			t.Errorf("got %+v, want %+v", d, want)
		}
	}
}

// Bytes pass unchanged in both directions at once, over changes between reading and splicing.
func TestBothWaysWithPauses(t *testing.T) {
	t.Parallel()
	client, server, tn, end := tunnel(t, time.Minute, "")
	data := random(3 * burst)
	send := func(c *net.TCPConn) {
		for range 2 {
			c.Write(data)
			time.Sleep(spliceTurn * 5 / 4) // back to reading
			c.Write(data[:100])
		}
		c.CloseWrite()
	}
	var sums [2][32]byte
	var wg sync.WaitGroup
	for i, c := range []*net.TCPConn{client, server} {
		wg.Go(func() { send(c) })
		wg.Go(func() {
			h := sha256.New()
			io.Copy(h, c)
			h.Sum(sums[i][:0])
		})
	}
	wg.Wait()
	h := sha256.New()
	for range 2 {
		h.Write(data)
		h.Write(data[:100])
	}
	if want := [32]byte(h.Sum(nil)); sums != [2][32]byte{want, want} {
		t.Error("other bytes arrived")
	}
	want := Result{Up: 2 * int64(len(data)+100), Down: 2 * int64(len(data)+100), End: Closed}
	if r := result(t, end); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
	if up, down := tn.Moved(); up != want.Up || down != want.Down {
		t.Errorf("moved %d, %d", up, down)
	}
}

// The idle limit counts both directions together, and is not reached by a slow reader of spliced bytes.
func TestIdle(t *testing.T) {
	t.Parallel()
	const idle = 400 * time.Millisecond
	client, server, _, end := tunnel(t, idle, "")
	for range 10 {
		server.Write([]byte("x"))
		time.Sleep(idle / 4)
	}
	select {
	case r := <-end:
		t.Fatalf("ended while the server sent: %+v", r)
	default:
	}
	if r := result(t, end); r.End != Idle || r.Down != 10 {
		t.Errorf("got %+v", r)
	}
	if n, err := io.Copy(io.Discard, client); n != 10 || err != nil {
		t.Errorf("client got %d, %v", n, err)
	}
}

func TestSlowReaderIsNotIdle(t *testing.T) {
	t.Parallel()
	const idle = 400 * time.Millisecond
	data := random(32 << 20)
	for range 20 { // on a machine that has no time for it, the client may not read for too long
		client, server, _, end := tunnel(t, idle, "")
		client.SetReadBuffer(4 << 10)
		go func() {
			server.Write(data)
			server.Close()
		}()
		longest, last := time.Duration(0), time.Now()
		buf := make([]byte, 64<<10)
		for range 16 {
			client.Read(buf)
			time.Sleep(idle / 4)
			longest, last = max(longest, time.Since(last)), time.Now()
		}
		select {
		case r := <-end:
			if longest < idle/2 {
				t.Fatalf("ended while the client read: %+v", r)
			}
		default:
			return
		}
	}
	t.Error("the client never read")
}

// EGR-E26, EGR-H2: a cut tunnel ends at once on both sides, in the middle of a stream too.
func TestE26Cut(t *testing.T) {
	for name, size := range map[string]int{"silent": 0, "streaming": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			client, server, tn, end := tunnel(t, time.Minute, "")
			go server.Write(make([]byte, size))
			time.Sleep(50 * time.Millisecond)
			began := time.Now()
			tn.Cut()
			if r := result(t, end); r.End != Cut {
				t.Errorf("got %+v", r)
			}
			if _, err := io.Copy(io.Discard, client); err == nil {
				t.Error("the client saw a regular end")
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// EGR-I5, EGR-I7: a reset of one side ends the other.
func TestI7Reset(t *testing.T) {
	client, server, _, end := tunnel(t, time.Minute, "")
	server.SetLinger(0)
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client saw bytes")
	}
	if r := result(t, end); r.End != Failed {
		t.Errorf("got %+v", r)
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// One that has spliced gives its pipe back when it falls silent. The pool closes it at a collection.
func TestPipesAreGivenBack(t *testing.T) {
	fds := descriptors(t)
	var cs []*net.TCPConn
	for range 20 {
		client, server, _, _ := tunnel(t, time.Minute, "")
		go server.Write(make([]byte, 4*burst))
		io.CopyN(io.Discard, client, 4*burst)
		cs = append(cs, client)
	}
	deadline := time.Now().Add(10 * time.Second)
	want := fds + 4*len(cs)
	for descriptors(t) > want {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors, want %d", descriptors(t), want)
		}
		time.Sleep(spliceTurn / 2)
		runtime.GC()
	}
}
