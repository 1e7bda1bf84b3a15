package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// keepLink is how long a connection to a host is kept for a next request, maxLinks how many there may be, and
	// maxHostLinks to one host.
	keepLink     = time.Minute
	maxLinks     = 64
	maxHostLinks = 16

	// maxLearned bounds the hosts that are known to have HTTP/1.
	maxLearned = 4096
)

// links are connections to hosts of HTTP/1 that are kept for a next request. http.Transport hands each request to two
// goroutines and back; on a connection that is asked and answered by one, a short request takes two thirds of the time.
type links struct {
	p   *Proxy
	tls *tls.Config

	mu   sync.Mutex
	idle map[string][]*link // by scheme and authority
	n    int
	old  map[string]bool // hosts inside TLS that answered by HTTP/1
	over bool
}

func (p *Proxy) newLinks(c *tls.Config) *links {
	c = c.Clone()
	c.NextProtos = []string{overH1}
	return &links{p: p, tls: c, idle: map[string][]*link{}, old: map[string]bool{}}
}

// link is a connection to a host.
type link struct {
	all   *links
	key   string
	conn  net.Conn
	below *watched
	r     *bufio.Reader
	left  int // bytes that the head of an answer may still have
	timer *time.Timer
}

// errLongHead is the error of an answer whose head is longer than maxAnswerHead.
var errLongHead = errors.New("the head of the answer is too long")

// Read bounds the head of an answer.
func (l *link) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLongHead
	}
	n, err := l.conn.Read(b)
	if l.left != unbounded {
		l.left -= n
	}
	return n, err
}

const unbounded = int(^uint(0) >> 1)

// learn notes that a host answers by HTTP/1.
func (a *links) learn(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.old) >= maxLearned {
		clear(a.old)
	}
	a.old[key] = true
}

// known tells whether a host is one of HTTP/1.
func (a *links) known(out *http.Request) bool {
	if out.URL.Scheme == "http" {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.old[key(out)]
}

func key(out *http.Request) string { return out.URL.Scheme + "://" + out.URL.Host }

// get returns a kept connection, nil where there is none.
func (a *links) get(key string) *link {
	for {
		a.mu.Lock()
		list := a.idle[key]
		if len(list) == 0 {
			a.mu.Unlock()
			return nil
		}
		l := list[len(list)-1]
		a.idle[key] = list[:len(list)-1]
		a.n--
		a.mu.Unlock()
		if l.timer.Stop() && l.quiet() {
			return l
		}
		l.close()
	}
}

// put keeps a connection.
func (a *links) put(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over || a.n >= maxLinks || len(a.idle[l.key]) >= maxHostLinks {
		l.close()
		return
	}
	a.n++
	a.idle[l.key] = append(a.idle[l.key], l)
	if l.timer == nil {
		l.timer = time.AfterFunc(keepLink, func() { a.drop(l) })
	} else {
		l.timer.Reset(keepLink)
	}
}

// drop closes a connection that was kept for long.
func (a *links) drop(l *link) {
	a.mu.Lock()
	for i, k := range a.idle[l.key] {
		if k == l {
			a.idle[l.key] = append(a.idle[l.key][:i:i], a.idle[l.key][i+1:]...)
			a.n--
			break
		}
	}
	if len(a.idle[l.key]) == 0 {
		delete(a.idle, l.key)
	}
	a.mu.Unlock()
	l.close()
}

// end closes all that are kept, and those in use as soon as they are not.
func (a *links) end() {
	a.mu.Lock()
	all := a.idle
	a.idle, a.over = map[string][]*link{}, true
	a.mu.Unlock()
	for _, list := range all {
		for _, l := range list {
			l.close()
		}
	}
}

func (l *link) close() { l.conn.Close() }

// quiet tells whether the host has neither closed the connection nor said anything unasked.
func (l *link) quiet() bool {
	if l.r.Buffered() > 0 || l.below.pending() {
		return false
	}
	raw, err := l.below.tcp.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	_ = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
	})
	return quiet
}

// dial makes a connection for a request.
func (a *links) dial(ctx context.Context, out *http.Request) (*link, error) {
	port := out.URL.Host
	c, err := a.p.dial(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	l := &link{all: a, key: key(out), conn: c, below: c.(*watched)}
	if out.URL.Scheme == "https" {
		conf := a.tls.Clone()
		conf.ServerName = out.URL.Hostname()
		t := tls.Client(c, conf)
		ctx, cancel := context.WithTimeout(ctx, handshakeTime)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		l.conn = t
	}
	l.r = bufio.NewReaderSize(l, readBuffer)
	return l, nil
}
