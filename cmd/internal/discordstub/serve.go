package discordstub

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// call is one request.
type call struct {
	*http.Request
	known bool   // the version
	route string // "METHOD path" with ID for each ID
	path  []string
	body  []byte
	user  *User
}

var (
	idPattern    = regexp.MustCompile(`/\d{5,}`)
	emojiPattern = regexp.MustCompile(`/reactions/[^/]+`)
	userAgent    = regexp.MustCompile(`^DiscordBot \(https?://\S+, v?[\d.]+\)`)
)

func newCall(r *http.Request) *call {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v9/")
	if !ok {
		path, ok = strings.CutPrefix(r.URL.Path, "/api/v10/")
	}
	c := &call{known: ok, Request: r, path: strings.Split(path, "/")}
	route := emojiPattern.ReplaceAllString(idPattern.ReplaceAllString("/"+path, "/ID"), "/reactions/EMOJI")
	c.route = r.Method + " " + route
	return c
}

// bucket is by the bot, the route and its first ID.
func (c *call) bucket() string {
	major := ""
	if len(c.path) > 1 {
		major = c.path[1]
	}
	return c.user.ID + " " + c.route + " " + major
}

// refusal is an answer other than success.
type refusal struct {
	status, code int
	message      string
	after        time.Duration // of a 429
}

func str(n int64) string { return strconv.FormatInt(n, 10) }

// ServeHTTP answers requests, and takes connections to the gateway at its path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	outage := s.outage
	s.mu.Unlock()
	if outage {
		hang(w)
		return
	}
	if strings.TrimSuffix(r.URL.Path, "/") == "/gateway" {
		s.connect(w, r)
		return
	}
	c := newCall(r)
	c.body, _ = io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, c.route)
	if !s.admit(w, c) || !s.limit(w, c) {
		return
	}
	f := s.fault(c)
	if f != nil && s.failBefore(w, c, f) {
		return
	}
	rec := httptest.NewRecorder()
	s.answer(rec, c)
	if f != nil && s.failAfter(w, f, rec) {
		return
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// admit holds the request to the rules for all of them, "API Reference".
func (s *Server) admit(w http.ResponseWriter, c *call) bool {
	if !c.known {
		s.breach("%s: not of version 9 or 10", c.URL.Path)
	}
	if !userAgent.MatchString(c.Header.Get("User-Agent")) {
		s.breach("%s: User-Agent %q must be DiscordBot ($url, $version)", c.route, c.Header.Get("User-Agent"))
	}
	if len(c.body) > 0 && c.Header.Get("Content-Type") != "application/json" {
		s.breach("%s: Content-Type %q", c.route, c.Header.Get("Content-Type"))
	}
	if len(c.body) == 0 && c.Header.Get("Content-Type") != "" {
		s.breach("%s: Content-Type without a body", c.route)
	}
	if c.route == "GET /gateway" {
		c.user = &User{ID: "anybody"}
		return true
	}
	token, ok := strings.CutPrefix(c.Header.Get("Authorization"), "Bot ")
	if !ok {
		s.breach("%s: no bot's token in Authorization", c.route)
		token = ""
	}
	if strings.Contains(c.URL.String(), token) && token != "" {
		s.breach("%s: the token is in the address", c.route)
	}
	if c.user = s.tokens[token]; c.user == nil {
		refuse(w, refusal{status: 401, message: "401: Unauthorized"})
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, r refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"message": r.message, "code": r.code})
}

func (s *Server) failBefore(w http.ResponseWriter, c *call, f *Fault) bool {
	switch f.Sort {
	case Limited:
		s.tooMany(w, s.buckets[c.bucket()], f.After, false)
	case Globally:
		s.tooMany(w, s.global, f.After, true)
	case Blocked:
		now := time.Now()
		s.global.closed, s.global.told = now.Add(f.After), now
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Retry-After", strconv.FormatFloat(f.After.Seconds(), 'f', 3, 64))
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, "<html>error code: 1015</html>")
	case Broken:
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>bad gateway</html>")
	case Vanished:
		refuse(w, *unknownChannel)
	case Internal:
		refuse(w, refusal{status: 500, message: "500: Internal Server Error"})
	case Denied:
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "egress: discord.com is not allowed")
	case Elsewhere:
		w.Header().Set("Location", s.http.URL+"/portal")
		w.WriteHeader(http.StatusFound)
	case Cut:
		hang(w)
	default:
		return false
	}
	return true
}

func (s *Server) failAfter(w http.ResponseWriter, f *Fault, rec *httptest.ResponseRecorder) bool {
	switch f.Sort {
	case Silent:
		w.WriteHeader(http.StatusServiceUnavailable)
	case CutAfter:
		hang(w)
	case Truncated:
		w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()+1))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		hang(w)
	default:
		return false
	}
	return true
}

// hang ends the connection without another word; of one that is HTTP/2, only this request. The caller does nothing then.
func hang(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	conn.Close()
}

// decode reads a body. What Discord does not know is a breach.
func (s *Server) decode(c *call, into any) bool {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		s.breach("%s: %v", c.route, err)
		return false
	}
	return true
}
