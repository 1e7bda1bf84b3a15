package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// Who follows gets each message once and in order, while others speak and the daemon is started anew again and again.
func TestFollowOverRestarts(t *testing.T) {
	hub := newMemory()
	const restarts, speakers, each = 5, 4, 200
	path := filepath.Join(t.TempDir(), "chat.sock")
	server := serve(t, path, hub, as(1000, "ana"))
	var speak sync.WaitGroup
	for n := range speakers {
		speak.Go(func() {
			for i := range each {
				channel := []string{chat.General, chat.Alerts}[i%2]
				hub.mu.Lock()
				hub.say(chat.Author{}, channel, fmt.Sprint(n, i), "")
				hub.mu.Unlock()
				time.Sleep(time.Millisecond) // so that the restarts come between
			}
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	got := map[string][]int64{}
	var mu sync.Mutex
	var lost, back atomic.Int64
	followed := make(chan error, 1)
	f := &chatctl.Follower{
		At: map[string]int64{chat.General: 0, chat.Alerts: 0},
		Each: func(m chat.Message) error {
			mu.Lock()
			defer mu.Unlock()
			got[m.Channel] = append(got[m.Channel], m.Seq)
			return nil
		},
		Lost: func(error) { lost.Add(1) },
		Back: func() { back.Add(1) },
	}
	go func() { followed <- server.client.Follow(ctx, f) }()
	for range restarts {
		until(t, "a follower", func() bool { return len(server.following) == 1 })
		if err := errors.Join(server.Close(), server.l.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		server = serve(t, path, hub, as(1000, "ana"))
	}
	speak.Wait()
	const all = speakers * each / 2
	until(t, "all that was said", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got[chat.General]) >= all && len(got[chat.Alerts]) >= all
	})
	until(t, "it is back", func() bool { return back.Load() == restarts })
	stop()
	if err := <-followed; err != nil {
		t.Error(err)
	}
	var want []int64
	for i := range all {
		want = append(want, int64(i+1))
	}
	if diff := cmp.Diff(map[string][]int64{chat.General: want, chat.Alerts: want}, got); diff != "" {
		t.Error(diff)
	}
	if n := lost.Load(); n != restarts {
		t.Errorf("lost %d times", n)
	}
}

// What was said before is handed on by its time, over channels, a page at a time.
func TestFollowBefore(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, func(s *Server) {
		as(1000, "ana")(s)
		s.beat = time.Hour
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a client that hears nothing asks again later than that
	defer cancel()
	var want []string
	for i := range 3 * followPage / 2 {
		for _, channel := range []string{chat.General, chat.Alerts} {
			text := fmt.Sprint(channel, i)
			hub.say(chat.Author{}, channel, text, "")
			want = append(want, text)
		}
	}
	var got []string
	enough := errors.New("enough")
	err := l.client.Follow(ctx, &chatctl.Follower{
		At: map[string]int64{chat.General: 0, chat.Alerts: 0},
		Each: func(m chat.Message) error {
			if got = append(got, m.Text); len(got) == len(want) {
				return enough
			}
			return nil
		},
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Who follows all channels hears of those that begin later, and goes on without one that is no more.
func TestFollowNew(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, as(1000, "ana"))
	var got []string
	enough := errors.New("enough")
	f := &chatctl.Follower{At: map[string]int64{"gone": 7, chat.General: 0}, New: true}
	f.Each = func(m chat.Message) error {
		if got = append(got, m.Channel); m.Channel == "@lead" {
			return enough
		}
		hub.mu.Lock()
		defer hub.mu.Unlock()
		hub.said["@lead"] = nil
		hub.say(chat.Author{}, "@lead", "hello", "")
		return nil
	}
	hub.say(chat.Author{}, chat.General, "hello", "")
	if err := l.client.Follow(t.Context(), f); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{chat.General, "@lead"}, got); diff != "" {
		t.Error(diff)
	}
}

// Where the chat is not there at the beginning, or refuses, there is no use in waiting.
func TestFollowNot(t *testing.T) {
	f := &chatctl.Follower{At: map[string]int64{chat.General: 7}, Each: func(chat.Message) error { return nil }}
	var nowhere *chatctl.Unreachable
	if err := chatctl.New(t.TempDir()+"/chat.sock").Follow(t.Context(), f); !errors.As(err, &nowhere) {
		t.Errorf("got %v", err)
	}
	var refused chatctl.Refused
	if err := newLab(t, newMemory(), as(1000, "ana")).client.Follow(t.Context(), f); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

// A client that does not read is dropped, and nobody else waits for it.
func TestFollowerThatDoesNotRead(t *testing.T) {
	hub := newMemory()
	l := newLab(t, hub, func(s *Server) {
		as(1000, "ana")(s)
		s.patience = 50 * time.Millisecond
	})
	text := strings.Repeat("x", chat.MaxMessage)
	for range 100 { // more than a socket holds
		hub.say(chat.Author{}, chat.General, text, "")
	}
	deaf := l.open(t, "/v1/follow?at=general:0")
	until(t, "it is followed", func() bool { return len(l.following) == 1 })
	until(t, "it is dropped", func() bool { return len(l.following) == 0 })
	if _, err := l.client.Chat(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, deaf); err != nil { // what it had, and then the end
		t.Error(err)
	}
}

// So is one that ends; one that reads stays and hears that the chat is there.
func TestFollowerThatEnds(t *testing.T) {
	l := newLab(t, newMemory(), func(s *Server) {
		as(1000, "ana")(s)
		s.beat = time.Millisecond
	})
	c := l.open(t, "/v1/follow?at=general:0")
	lines := bufio.NewScanner(c)
	for beats := 0; beats < 10 && lines.Scan(); {
		if lines.Text() == "{}" {
			beats++
		}
	}
	if len(l.following) != 1 {
		t.Error("it was dropped while it reads")
	}
	c.Close()
	until(t, "it is over", func() bool { return len(l.following) == 0 })
}

// A server that ends waits for nobody who follows.
func TestEndOfFollowed(t *testing.T) {
	l := newLab(t, newMemory(), as(1000, "ana"))
	l.open(t, "/v1/follow?at=general:0")
	until(t, "it is followed", func() bool { return len(l.following) == 1 })
	l.once.Do(func() { close(l.ended) })
	until(t, "it is over", func() bool { return len(l.following) == 0 })
}

func TestTooManyFollow(t *testing.T) {
	l := newLab(t, newMemory(), as(1000, "ana"))
	for range maxFollowing {
		l.open(t, "/v1/follow?at=general:0")
	}
	until(t, "all follow", func() bool { return len(l.following) == maxFollowing })
	if status, text := l.do(t, http.MethodGet, "/v1/follow?at=general:0", ""); status != 503 || !strings.Contains(text, "too many") {
		t.Errorf("%d %s", status, text)
	}
}

// Bytes that are no request, and requests that never end, bother nobody else.
func TestGarbage(t *testing.T) {
	l := newLab(t, newMemory(), as(1000, "ana"))
	for _, bytes := range []string{
		"\x00\x01\x02\x03", "\x16\x03\x01\x02\x00", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\nzz",
		"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"GET /v1/chat HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", maxHead), "GET /v1/chat HTTP/1.1\r\nHost: x",
	} {
		c := l.dial(t)
		if _, err := io.WriteString(c, bytes); err != nil && !strings.Contains(err.Error(), "broken pipe") {
			t.Errorf("%.40q: %v", bytes, err)
		}
	}
	if _, err := l.client.Chat(t.Context()); err != nil {
		t.Error(err)
	}
}

func (l *lab) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", l.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// open asks for something and reads nothing of the answer.
func (l *lab) open(t *testing.T, target string) net.Conn {
	t.Helper()
	c := l.dial(t)
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: chat\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	return c
}
