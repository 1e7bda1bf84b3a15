package githubstub

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is a request that is being answered.
type call struct {
	*http.Request
	s     *Server
	token *token
	user  *User
	body  []byte
	fault Fault
	out   http.Header
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	h := w.Header()
	h.Set("Date", s.now().Format(http.TimeFormat))
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	t, refused := s.admit(r)
	if refused != nil {
		refused.answer(w)
		return
	}
	c := &call{Request: r, s: s, token: t, user: s.users[strings.ToLower(t.User)], body: body, out: h}
	if decide, n := s.Fault, s.requests; decide != nil {
		s.mu.Unlock() // it may look at the server, and do something there
		c.fault = decide(r, n)
		s.mu.Lock()
	}
	refused = s.enters(t, r)
	defer func() { s.leaves(t, r) }()
	if s.Latency > 0 {
		s.mu.Unlock()
		time.Sleep(s.Latency)
		s.mu.Lock()
	}
	if refused == nil {
		refused = s.fault(t, c.fault)
	}
	if refused != nil {
		s.headers(h, t)
		refused.answer(w)
		return
	}
	c.serve(w)
}

func (c *call) serve(w http.ResponseWriter) {
	status, answer := c.route()
	switch c.fault {
	case Late:
		status, answer = http.StatusBadGateway, &refusal{status: http.StatusBadGateway, message: "Server Error"}
	case Unheard:
		panic(http.ErrAbortHandler)
	}
	if refused, ok := answer.(*refusal); ok {
		c.token.used++
		c.s.headers(c.out, c.token)
		refused.answer(w)
		return
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	if c.Method == http.MethodGet {
		tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(text))
		c.out.Set("ETag", tag)
		if c.Header.Get("If-None-Match") == tag && c.fault == None {
			c.s.headers(c.out, c.token)
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	c.token.used++
	c.s.headers(c.out, c.token)
	switch {
	case c.fault == CutOff:
		cut(w, c.out, status, text)
	case c.fault == Garbage:
		text = []byte("<html>\n<h1>Whoa there!</h1>\n</html>")
	case status == http.StatusNoContent:
		text = nil
	}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// answer writes a refusal.
func (e *refusal) answer(w http.ResponseWriter) {
	link := "https://docs.github.com/rest"
	if strings.Contains(e.message, "secondary rate limit") {
		link += "/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	}
	for name, value := range e.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"message": e.message, "documentation_url": link, "status": strconv.Itoa(e.status),
	})
}

var (
	repoPath = regexp.MustCompile(`^/repos/([^/]+)/([^/]+)(/.*)?$`)
	byID     = regexp.MustCompile(`^/repositories/1(/.*)?$`)
	userPath = regexp.MustCompile(`^/user/(\d+)$`)
)

func (c *call) route() (int, any) {
	path, ok := strings.CutPrefix(c.URL.EscapedPath(), c.s.Prefix)
	if !ok {
		c.s.breaks("%s %s: the address must begin with %s", c.Method, path, c.s.Prefix)
		return no(http.StatusNotFound, "Not Found")
	}
	if path == "/user" && c.Method == http.MethodGet {
		if c.token.App {
			return no(http.StatusForbidden, "Resource not accessible by integration")
		}
		return http.StatusOK, c.s.userJSON(c.user)
	}
	if m := userPath.FindStringSubmatch(path); m != nil && c.Method == http.MethodGet {
		for _, u := range c.s.users {
			if strconv.FormatInt(u.ID, 10) == m[1] {
				return http.StatusOK, c.s.userJSON(u)
			}
		}
		return no(http.StatusNotFound, "Not Found")
	}
	rest := ""
	if m := byID.FindStringSubmatch(path); m != nil {
		rest = m[1]
	} else if m := repoPath.FindStringSubmatch(path); m != nil {
		switch name := m[1] + "/" + m[2]; {
		case slices.Contains(c.s.formed, name) && name != c.s.Owner+"/"+c.s.Name:
			return http.StatusMovedPermanently, &refusal{
				status: http.StatusMovedPermanently, message: "Moved Permanently",
				header: map[string]string{"Location": "https://" + c.Host + c.s.Prefix + "/repositories/1" + m[3] + query(c.URL)},
			}
		case name != c.s.Owner+"/"+c.s.Name:
			return no(http.StatusNotFound, "Not Found")
		}
		rest = m[3]
	} else {
		c.s.breaks("%s %s: no such address", c.Method, path)
		return no(http.StatusNotFound, "Not Found")
	}
	if c.token.NoRepo || c.user.Role == "" {
		return no(http.StatusNotFound, "Not Found")
	}
	return c.repo(rest)
}

func query(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.RawQuery
}

func no(status int, message string) (int, any) {
	return status, &refusal{status: status, message: message}
}

// repo answers for what is within the repository.
func (c *call) repo(path string) (int, any) {
	if path == "" {
		return http.StatusOK, map[string]any{
			"id": 1, "name": c.s.Name, "full_name": c.s.Owner + "/" + c.s.Name, "owner": map[string]any{"login": c.s.Owner},
			"has_issues": !c.s.NoIssues, "archived": c.s.Archived, "disabled": false,
		}
	}
	if c.Method != http.MethodGet {
		switch {
		case c.s.Archived:
			return no(http.StatusForbidden, "Repository was archived so is read-only.")
		case c.token.Issues != "write":
			return no(http.StatusForbidden, "Resource not accessible by personal access token")
		}
	}
	if c.s.NoIssues && strings.HasPrefix(path, "/issues") {
		return no(http.StatusGone, "Issues are disabled for this repo")
	}
	for _, r := range routes {
		m := r.path.FindStringSubmatch(path)
		if m != nil && r.method == c.Method {
			c.checkQuery(r.query)
			return r.answer(c, m[1:])
		}
	}
	c.s.breaks("%s %s: no such address", c.Method, path)
	return no(http.StatusNotFound, "Not Found")
}

// checkQuery judges the parameters of an address: GitHub takes no notice of those that it does not know, and of values
// that it does not know.
func (c *call) checkQuery(known []string) {
	for name, values := range c.URL.Query() {
		ok := slices.Contains(known, name) && len(values) == 1
		if of := valuesOf[name]; ok && of != nil {
			ok = slices.Contains(of, values[0])
		}
		if !ok {
			c.s.breaks("%s %s: %s=%q is none of it", c.Method, c.URL.Path, name, values)
		}
	}
}

var valuesOf = map[string][]string{
	"state": {"open", "closed", "all"}, "sort": {"created", "updated", "comments"}, "direction": {"asc", "desc"},
}

// decode reads a request's body. A member that the API does not document breaks a rule.
func (c *call) decode(into any) *refusal {
	d := json.NewDecoder(strings.NewReader(string(c.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		c.s.breaks("%s %s: %v", c.Method, c.URL.Path, err)
		return &refusal{status: http.StatusBadRequest, message: "Problems parsing JSON"}
	}
	return nil
}

// list answers with a page, and with the Link to the next and the last.
func list[T any](c *call, all []T) (int, any) {
	q := c.URL.Query()
	per, page := number(q.Get("per_page"), 30), number(q.Get("page"), 1)
	per = min(per, maxOfPage)
	from, to := min((page-1)*per, len(all)), min(page*per, len(all))
	some := slices.Clone(all[from:to])
	switch c.fault {
	case Double:
		some = append(some, some...)
	case Shuffled:
		slices.Reverse(some)
	}
	if to < len(all) {
		link := func(n int, rel string) string {
			q.Set("page", strconv.Itoa(n))
			return fmt.Sprintf(`<https://%s%s?%s>; rel=%q`, c.Host, c.URL.Path, q.Encode(), rel)
		}
		c.out.Set("Link", link(page+1, "next")+", "+link((len(all)+per-1)/per, "last"))
	}
	if some == nil {
		some = []T{}
	}
	return http.StatusOK, some
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// since is the time of the parameter, zero if there is none.
func (c *call) since() time.Time {
	text := c.URL.Query().Get("since")
	t, err := time.Parse(time.RFC3339, text)
	if err != nil && text != "" {
		c.s.breaks("%s: since %q", c.URL.Path, text)
	}
	return t
}
