package githubstub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cmd/internal/githubstub"
)

func newServer() *githubstub.Server {
	s := githubstub.New("acme", "board")
	s.AddUser("bot", "write")
	s.AddUser("ann", "write")
	s.AddToken("t", githubstub.Access{User: "bot", Issues: "write"})
	s.Open("ann", "a", "b")
	return s
}

// ask asks as the rules demand but for what edit changes.
func ask(t *testing.T, s *githubstub.Server, method, path, body string, edit func(h http.Header)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://api.github.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer t", "User-Agent": "test", "Accept": "application/vnd.github+json",
		"X-GitHub-Api-Version": "2022-11-28", "Content-Type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	if edit != nil {
		edit(r.Header)
	}
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// Each rule is noticed when it is broken, and not when it is kept.
func TestRules(t *testing.T) {
	const root = "/repos/acme/board"
	set := func(name, value string) func(h http.Header) { return func(h http.Header) { h.Set(name, value) } }
	long := strings.Repeat("a", 65537)
	for want, c := range map[string]struct {
		method, path, body string
		edit               func(h http.Header)
		status             int
	}{
		"":                   {"POST", root + "/issues/1/comments", `{"body":"a"}`, nil, 201},
		"version of the API": {"GET", root, "", set("X-GitHub-Api-Version", "1"), 200},
		"user agent":         {"GET", root, "", set("User-Agent", ""), 403},
		"Accept":             {"GET", root, "", set("Accept", "*/*"), 200},
		"Content-Type":       {"POST", root + "/issues/1/comments", `{"body":"a"}`, set("Content-Type", "text/plain"), 201},
		"without Bearer":     {"GET", root, "", set("Authorization", "token t"), 401},
		"no such address":    {"GET", "/issues", "", nil, 404},
		"no such address ":   {"PUT", root + "/issues/1", "", nil, 404},
		"per_page 101":       {"GET", root + "/issues?per_page=101", "", nil, 200},
		"is none of it":      {"GET", root + "/issues/1/comments?sort=created", "", nil, 200},
		`state=["done"]`:     {"GET", root + "/issues?state=done", "", nil, 200},
		"since":              {"GET", root + "/issues?since=today", "", nil, 200},
		"unknown field":      {"PATCH", root + "/issues/1", `{"colour":"a"}`, nil, 400},
		"more than 65536":    {"POST", root + "/issues/1/comments", `{"body":"` + long + `"}`, nil, 422},
		"the body has more":  {"PATCH", root + "/issues/1", `{"body":"` + long + `"}`, nil, 422},
		"the title has more": {"POST", root + "/issues", `{"title":"` + long[:257] + `"}`, nil, 422},
		"label has more":     {"POST", root + "/issues/1/labels", `["` + long[:51] + `"]`, nil, 422},
		"is deleted by bot":  {"DELETE", root + "/issues/comments/1", "", nil, 204},
	} {
		t.Run(want, func(t *testing.T) {
			s := newServer()
			if c.method == http.MethodDelete {
				c.path = fmt.Sprintf("%s/issues/comments/%d", root, s.Say("ann", 1, "a"))
			}
			resp := ask(t, s, c.method, c.path, c.body, c.edit)
			resp.Body.Close()
			broken := strings.Join(s.Broken(), "\n")
			said := strings.Contains(broken, strings.TrimSpace(want)) && (want == "") == (broken == "")
			if resp.StatusCode != c.status || !said {
				t.Errorf("%d, broken: %s", resp.StatusCode, broken)
			}
		})
	}
}

// What is asked too fast or too often, or in a time that was to be waited for, breaks a rule.
func TestPace(t *testing.T) {
	for want, c := range map[string]struct {
		n     int
		pause time.Duration
		fault githubstub.Fault
	}{
		"":                        {79, time.Second, githubstub.None},
		"a change 900ms after":    {2, 900 * time.Millisecond, githubstub.None},
		"more than 80 changes":    {82, 0, githubstub.None},
		"more than 500 changes":   {502, time.Second, githubstub.None},
		"that Retry-After asked":  {2, time.Second, githubstub.TooMany},
		"that a secondary limit":  {2, 30 * time.Second, githubstub.Unsaid},
		"X-RateLimit-Reset asked": {2, 59 * time.Minute, githubstub.Exhausted},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Fault = func(_ *http.Request, n int) githubstub.Fault {
				if n == 1 {
					return c.fault
				}
				return githubstub.None
			}
			for range c.n {
				ask(t, s, "POST", "/repos/acme/board/issues/1/comments", `{"body":"a"}`, nil).Body.Close()
				time.Sleep(c.pause)
			}
			broken := strings.Join(s.Broken(), "\n")
			if !strings.Contains(broken, want) || (want == "") != (broken == "") {
				t.Errorf("%s: broken: %s", want, broken)
			}
		})
	}
}

// A tag holds as long as what it is of; asking by it costs nothing.
func TestTags(t *testing.T) {
	s := newServer()
	first := ask(t, s, "GET", "/repos/acme/board/issues", "", nil)
	first.Body.Close()
	cost := s.Cost("t")
	tagged := func(h http.Header) { h.Set("If-None-Match", first.Header.Get("ETag")) }
	same := ask(t, s, "GET", "/repos/acme/board/issues", "", tagged)
	same.Body.Close()
	if same.StatusCode != http.StatusNotModified || s.Cost("t") != cost {
		t.Errorf("%d, which costs %d", same.StatusCode, s.Cost("t")-cost)
	}
	s.Open("ann", "c", "")
	other := ask(t, s, "GET", "/repos/acme/board/issues", "", tagged)
	other.Body.Close()
	if other.StatusCode != http.StatusOK || s.Cost("t") != cost+1 {
		t.Errorf("%d, which costs %d", other.StatusCode, s.Cost("t")-cost)
	}
}
