package chatctl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// play serves a socket by a function.
func play(t *testing.T, f http.HandlerFunc) *chatctl.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: f}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return chatctl.New(path)
}

// A request whose connection is lost is made again, with the same key: what it does is done once.
func TestAgain(t *testing.T) {
	var keys []string
	c := play(t, func(w http.ResponseWriter, r *http.Request) {
		var m chatctl.NewMessage
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		switch keys = append(keys, m.Key); len(keys) {
		case 1: // ends before its answer
			panic(http.ErrAbortHandler)
		case 2: // in the middle of it
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"message":`)
		default:
			json.NewEncoder(w).Encode(chatctl.Posted{Message: &chat.Message{Seq: 7}})
		}
	})
	m, err := c.Post(t.Context(), chatctl.NewMessage{Channel: chat.General, Text: "x"})
	if err != nil || m.Seq != 7 {
		t.Errorf("got %+v, %v", m, err)
	}
	if len(keys) != 3 || len(keys[0]) < 20 || len(slices.Compact(keys)) != 1 {
		t.Errorf("keys %q", keys)
	}
}

func TestNeverAnswered(t *testing.T) {
	var asked atomic.Int64
	c := play(t, func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	})
	_, err := c.Chat(t.Context())
	if n := asked.Load(); err == nil || !strings.Contains(err.Error(), "broke off") || n < 2 || n > 10 {
		t.Errorf("%d tries: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Chat(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Answers of whatever else listens there are errors, and bounded.
func TestStrangeAnswers(t *testing.T) {
	for name, one := range map[string]struct {
		status int
		body   func(w io.Writer)
		says   string
	}{
		"no JSON":      {200, func(w io.Writer) { io.WriteString(w, "hello") }, "makes no sense"},
		"an error":     {500, func(w io.Writer) { io.WriteString(w, `{"error":"the disk is full"}`) }, "the disk is full"},
		"no words":     {404, func(w io.Writer) { io.WriteString(w, "404 page not found") }, "of another version?"},
		"a redirect":   {302, func(io.Writer) {}, "302"},
		"nothing said": {200, func(w io.Writer) { io.WriteString(w, `{}`) }, "does not say what it has stored"},
		"no end": {200, func(w io.Writer) {
			for _, err := io.WriteString(w, "["); err == nil; {
				_, err = w.Write(slices.Repeat([]byte(" "), 1<<16))
			}
		}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			c := play(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://example.com/")
				w.WriteHeader(one.status)
				one.body(w)
			})
			_, err := c.Post(t.Context(), chatctl.NewMessage{Channel: chat.General, Text: "x"})
			if err == nil || !strings.Contains(err.Error(), one.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestStrangeLines(t *testing.T) {
	for name, one := range map[string]struct{ lines, says string }{
		"no JSON":   {"{}\nhello\n", "makes no sense"},
		"too large": {"{}\n" + strings.Repeat("x", chatctl.MaxBody+1<<20), "token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			c := play(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, one.lines) })
			ctx, stop := context.WithCancelCause(t.Context())
			f := &chatctl.Follower{At: map[string]int64{chat.General: 0}, Lost: func(err error) { stop(err) }}
			err := errors.Join(c.Follow(ctx, f), context.Cause(ctx))
			if err == nil || !strings.Contains(err.Error(), one.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.sock")
	var nowhere *chatctl.Unreachable
	if _, err := chatctl.New(path).Chat(t.Context()); !errors.As(err, &nowhere) || !errors.Is(err, os.ErrNotExist) ||
		!strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	long := chatctl.NewMessage{Text: strings.Repeat("x", chatctl.MaxBody)}
	var refused chatctl.Refused
	if _, err := chatctl.New(path).Post(t.Context(), long); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

// Whatever comes on the stream, a message is handed on once, in order, of a channel that is followed.
func FuzzFollow(f *testing.F) {
	f.Add("{}\n" + `{"message":{"channel":"general","seq":3,"text":"x"}}` + "\n" + `{"message":{"channel":"general","seq":3}}`)
	f.Add(`{"message":{"channel":"alerts","seq":1}}` + "\n" + `{"message":{"channel":"general","seq":-1}}` + "\n[]")
	f.Fuzz(func(t *testing.T, lines string) {
		c := play(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, lines) })
		ctx, stop := context.WithCancel(t.Context())
		last := int64(2)
		err := c.Follow(ctx, &chatctl.Follower{
			At: map[string]int64{chat.General: last},
			Each: func(m chat.Message) error {
				if m.Channel != chat.General || m.Seq <= last {
					return fmt.Errorf("handed on %s %d after %d", m.Channel, m.Seq, last)
				}
				last = m.Seq
				return nil
			},
			Lost: func(error) { stop() },
		})
		if err != nil && strings.HasPrefix(err.Error(), "handed on") {
			t.Error(err)
		}
	})
}
