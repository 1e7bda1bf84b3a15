package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// book is an account of sessions with a clock of its own.
type book struct {
	*sessions
	ended []string
	clock time.Time
}

func newBook() *book {
	b := &book{clock: time.Now()}
	b.sessions = newSessions(func(id string) { b.ended = append(b.ended, id) })
	b.now = func() time.Time { return b.clock }
	return b
}

// request serves a request of a session; begun is the one that it begins.
func (b *book) request(method, id, begun string, during func()) {
	r := httptest.NewRequest(method, Path, nil)
	r.Header.Set(idHeader, id)
	b.serve(httptest.NewRecorder(), r, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if begun != "" {
			w.Header().Set(idHeader, begun)
		}
		if during != nil {
			during()
		}
	}))
}

func TestSessionsEnd(t *testing.T) {
	b := newBook()
	b.request(http.MethodPost, "", "a", nil)
	b.request(http.MethodPost, "", "b", nil)
	b.request(http.MethodPost, "", "c", nil)
	if b.count() != 3 {
		t.Fatalf("%d sessions", b.count())
	}
	b.request(http.MethodDelete, "c", "", nil)
	b.clock = b.clock.Add(unused / 2)
	b.request(http.MethodPost, "a", "", nil)
	b.clock = b.clock.Add(unused/2 + time.Second)
	if n := b.count(); n != 1 || !slices.Equal(b.ended, []string{"b"}) {
		t.Errorf("%d left, ended %q", n, b.ended)
	}
	// One that waits on an open stream is used.
	b.request(http.MethodGet, "a", "", func() {
		b.clock = b.clock.Add(10 * unused)
		if b.count() != 1 {
			t.Error("it ended under its client")
		}
	})
	b.clock = b.clock.Add(unused + time.Second)
	if b.count() != 0 {
		t.Error("it never ends")
	}
	b.request(http.MethodPost, "unknown", "", nil)
	if b.count() != 0 {
		t.Error("what nobody began is kept")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	b := newBook()
	for i := range maxSessions + 10 {
		b.clock = b.clock.Add(time.Second)
		b.request(http.MethodPost, "", fmt.Sprint(i), nil)
		b.request(http.MethodPost, "0", "", nil) // one that is used stays
	}
	if n := b.count(); n != maxSessions || len(b.ended) != 10 || slices.Contains(b.ended, "0") || b.ended[0] != "1" {
		t.Errorf("%d sessions, ended %q", n, b.ended)
	}
}
