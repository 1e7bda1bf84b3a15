package web

import (
	"net/http"
	"sync"
	"time"
)

const (
	idHeader = "Mcp-Session-Id"

	// maxSessions are kept for an agent. With one more, that one ends which was not used for longest.
	maxSessions = 64

	// unused is after how long without a request, and without a stream that is open, a session ends.
	unused = time.Hour
)

// sessions are those of streamable HTTP, which a client may leave without a word.
type sessions struct {
	end func(id string)
	now func() time.Time

	mu   sync.Mutex
	uses map[string]*use
}

type use struct {
	open int // requests
	last time.Time
}

func newSessions(end func(id string)) *sessions {
	return &sessions{end: end, now: time.Now, uses: map[string]*use{}}
}

// serve serves a request and keeps account of its session, or of the one that it begins.
func (s *sessions) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	id := r.Header.Get(idHeader)
	s.mark(id, 1)
	next.ServeHTTP(w, r)
	s.mark(id, -1)
	if begun := w.Header().Get(idHeader); begun != "" && id == "" {
		s.begin(begun)
	}
	if r.Method == http.MethodDelete {
		s.mu.Lock()
		delete(s.uses, id)
		s.mu.Unlock()
	}
}

func (s *sessions) mark(id string, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.uses[id]; u != nil {
		u.open += open
		u.last = s.now()
	}
}

func (s *sessions) begin(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses[id] = &use{last: s.now()}
	s.sweep()
	if len(s.uses) > maxSessions {
		oldest := ""
		for id, u := range s.uses {
			if oldest == "" || u.last.Before(s.uses[oldest].last) {
				oldest = id
			}
		}
		s.drop(oldest)
	}
}

// count ends what is not used any more, and returns how many there are.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	return len(s.uses)
}

// sweep ends what is not used any more. s.mu is held.
func (s *sessions) sweep() {
	for id, u := range s.uses {
		if u.open == 0 && s.now().Sub(u.last) > unused {
			s.drop(id)
		}
	}
}

func (s *sessions) drop(id string) {
	delete(s.uses, id)
	s.end(id)
}
