//go:build machine

package main

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// EGR-I1, EGR-E23: ten thousand connections of one agent that send a byte a second cost bounded memory, end by
// themselves, and leave the gate of another agent as fast as before.
func TestI1Slowloris(t *testing.T) {
	slow, other := newHost(t), newHost(t)
	slow.Env = []string{"TEST_NOFILE=20000"} // enough for 6,645 of them; the others wait until those have ended
	slow.start(slow.switched()...)
	other.start(other.switched()...)
	slow.drained(func(map[string]string) {})
	other.drained(func(map[string]string) {})
	median := func() time.Duration {
		t.Helper()
		var took []time.Duration
		for range 100 {
			began := time.Now()
			c, r, code := other.connect(other.origin.Addr().String())
			if code != 200 {
				t.Fatalf("status %d", code)
			}
			echo(t, c, r)
			c.Close()
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[50]
	}
	before := median()
	const n = 10_000
	var all []net.Conn
	for range n {
		all = append(all, slow.dial())
	}
	began := time.Now()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for text := "GET http://x.example/ HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; ; text = text[1:] {
			for _, c := range all {
				io.WriteString(c, text[:1])
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	time.Sleep(5 * time.Second)
	if s, rss := slow.status(), slow.resident(); s.Open < 6600 || s.Open > 6700 || rss > 120 {
		t.Errorf("%d open, %d MiB", s.Open, rss)
	} else {
		t.Logf("%d open, %d MiB, %d KiB each", s.Open, rss, rss<<10/int(s.Open))
	}
	during := median()
	t.Logf("another agent: %s before, %s with them", before, during)
	if during > 5*before+20*time.Millisecond {
		t.Errorf("another agent: %s before, %s with them", before, during)
	}
	for slow.status().Open > 0 {
		if time.Since(began) > 60*time.Second {
			t.Fatalf("%d are still open after %s", slow.status().Open, time.Since(began))
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Logf("all ended after %s", time.Since(began).Round(time.Second))
}
