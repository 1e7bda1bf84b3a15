package slackstub

import (
	"net/http"
	"strconv"
	"time"
)

// Wrong is something that goes wrong with one call.
type Wrong struct {
	Method string // "" is any
	Status int    // HTTP status; 0 is 200
	Retry  int    // Retry-After, of a 429
	Error  string // with ok: false
	Needed string // the scope, with missing_scope
	Cut    bool   // the connection ends without an answer
	Hang   bool   // there is no answer until the caller gives up
	After  bool   // it goes wrong after the call took effect

	Late time.Duration // nothing goes wrong, but it is not called before
}

// Go has the next calls of their methods go wrong, each one of them.
func (s *Server) Go(wrong ...Wrong) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, wrong...)
}

// Chaos is asked for each call what goes wrong with it; nil is nothing.
func (s *Server) Chaos(f func(method string) *Wrong) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chaos = f
}

// Outage takes the workspace off the network, or brings it back.
func (s *Server) Outage(on bool) {
	s.mu.Lock()
	s.down = on
	s.mu.Unlock()
	if on {
		s.Drop()
	}
}

// pause waits while the workspace runs.
func (s *Server) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ending:
	}
}

// goes returns what goes wrong with a call, or that it is late. The lock is held.
func (s *Server) goes(method string, late bool) *Wrong {
	if s.down && !late {
		return &Wrong{Cut: true}
	}
	for i, w := range s.wrong {
		if (w.Method == "" || w.Method == method) && late == (w.Late > 0) {
			s.wrong = append(s.wrong[:i:i], s.wrong[i+1:]...)
			return &w
		}
	}
	if s.chaos != nil && !late {
		return s.chaos(method)
	}
	return nil
}

// answer goes wrong.
func (w *Wrong) answer(out http.ResponseWriter, r *http.Request, ending chan struct{}) {
	switch {
	case w.Cut:
		conn, _, err := http.NewResponseController(out).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // HTTP/2 has many requests on a connection
		}
		_ = conn.Close()
	case w.Hang:
		select {
		case <-r.Context().Done():
		case <-ending:
		}
	case w.Error != "":
		writeJSON(out, map[string]any{"ok": false, "error": w.Error, "needed": w.Needed, "provided": "chat:write"})
	default:
		if w.Status == http.StatusTooManyRequests {
			out.Header().Set("Retry-After", strconv.Itoa(w.Retry))
		}
		out.Header().Set("Content-Type", "text/html")
		out.WriteHeader(w.Status)
		_, _ = out.Write([]byte("<html>something is wrong</html>"))
	}
}
