package githubstub

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	hourly = 5000 // requests of a token, but those answered with 304

	pause               = time.Second // between two changes
	perMinute, perHour  = 80, 500     // changes
	maxBody, maxTitle   = 65536, 256
	maxLabel, maxOfPage = 50, 100
)

// refusal is an answer with an error.
type refusal struct {
	status  int
	message string
	header  map[string]string
}

var versions = regexp.MustCompile(`^(2022-11-28|2026-03-10)$`)

// admit judges a request by the rules that hold for all.
func (s *Server) admit(r *http.Request) (*token, *refusal) {
	if !versions.MatchString(r.Header.Get("X-GitHub-Api-Version")) {
		s.breaks("%s %s: version of the API: %q", r.Method, r.URL.Path, r.Header.Get("X-GitHub-Api-Version"))
	}
	if agent := r.Header.Get("User-Agent"); agent == "" || strings.HasPrefix(agent, "Go-http-client") {
		s.breaks("%s %s: the user agent must name the program", r.Method, r.URL.Path)
		return nil, &refusal{status: 403, message: "Request forbidden by administrative rules. " +
			"Please make sure your request has a User-Agent header"}
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/vnd.github") {
		s.breaks("%s %s: Accept: %q", r.Method, r.URL.Path, r.Header.Get("Accept"))
	}
	if r.ContentLength > 0 && r.Header.Get("Content-Type") != "application/json" {
		s.breaks("%s %s: Content-Type: %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > maxOfPage {
		s.breaks("%s: per_page %d", r.URL.Path, n)
	}
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t := s.tokens[value]
	if !ok {
		s.breaks("%s %s: authorization without Bearer", r.Method, r.URL.Path)
	}
	if t == nil || t.Revoked {
		return nil, &refusal{status: 401, message: "Bad credentials"}
	}
	return t, nil
}

// enters counts a request of a token, and tells whether a limit refuses it.
func (s *Server) enters(t *token, r *http.Request) *refusal {
	now := time.Now()
	changes := r.Method != http.MethodGet
	t.renew(s.now())
	if t.open++; t.open > 1 && !s.Shared {
		s.breaks("%s %s: %d requests at once", r.Method, r.URL.Path, t.open)
	}
	if now.Before(t.until) {
		if !s.Shared {
			s.breaks("%s %s: %s before the end of the wait that %s asked for",
				r.Method, r.URL.Path, t.until.Sub(now), t.untilWhy)
		}
		return &refusal{status: 429, message: "You have exceeded a secondary rate limit."}
	}
	if t.used >= hourly {
		return s.exhausted(t)
	}
	if changes {
		s.change(t, r, now)
	}
	return nil
}

func (s *Server) change(t *token, r *http.Request, now time.Time) {
	if t.openChanges++; t.openChanges > 1 && !s.Shared {
		s.breaks("%s %s: %d changes at once", r.Method, r.URL.Path, t.openChanges)
	}
	if !s.Shared && !t.last.IsZero() && now.Sub(t.last) < pause {
		s.breaks("%s %s: a change %s after another", r.Method, r.URL.Path, now.Sub(t.last))
	}
	t.changes = append(t.changes, now)
	for _, window := range []struct {
		most int
		in   time.Duration
	}{{perMinute, time.Minute}, {perHour, time.Hour}} {
		if n := len(t.changes) - 1 - window.most; n >= 0 && now.Sub(t.changes[n]) < window.in {
			s.breaks("%s %s: more than %d changes in %s", r.Method, r.URL.Path, window.most, window.in)
		}
	}
}

func (s *Server) leaves(t *token, r *http.Request) {
	t.open--
	if r.Method != http.MethodGet && t.openChanges > 0 {
		t.openChanges--
		t.last = time.Now()
	}
}

func (t *token) renew(now time.Time) {
	if !now.Before(t.reset) {
		t.used, t.reset = 0, now.Add(time.Hour)
	}
}

// exhausted refuses for the hourly limit.
func (s *Server) exhausted(t *token) *refusal {
	t.until, t.untilWhy = time.Now().Add(t.reset.Sub(s.now())), "X-RateLimit-Reset"
	return &refusal{status: 403, message: "API rate limit exceeded for user ID 1."}
}

// headers are those of the hourly limit.
func (s *Server) headers(h http.Header, t *token) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(hourly))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(hourly-t.used, 0)))
	h.Set("X-RateLimit-Used", strconv.Itoa(t.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(t.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
	if t.used >= hourly {
		t.until, t.untilWhy = time.Now().Add(t.reset.Sub(s.now())), "X-RateLimit-Reset"
	}
}
