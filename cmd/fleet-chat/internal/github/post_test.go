package github_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/githubstub"
)

func TestPost(t *testing.T) {
	fleet := backend.Author{}
	for name, c := range map[string]struct {
		author   backend.Author
		text     string
		by, body string
	}{
		"an agent with the fleet's account": {atlas, "Good morning.", "fleet-bot", "**Atlas**\n\nGood morning."},
		"an agent with its own":             {scout, "**Report**\n\nDone.", "scout-bot", "**Report**\n\nDone."},
		"the fleet":                         {fleet, "**Alert**\n\nlead is down.", "fleet-bot", "**Alert**\n\nlead is down."},
		"a name that would be Markdown": {
			backend.Author{Key: "x", Name: "a*b_c"}, "hi", "fleet-bot", "**a\\*b\\_c**\n\nhi",
		},
		"somebody is mentioned":    {fleet, "@eve @acme/team @ann.", "fleet-bot", "@\u200beve @\u200bacme/team @ann."},
		"an issue would be closed": {fleet, "fixes #12, see #13", "fleet-bot", "fixes #\u200b12, see #13"},
		"a mark is forged": {
			fleet, "<!-- fleet:" + id(9) + " -->", "fleet-bot", "<\u200b!-- fleet:" + id(9) + " -->",
		},
		"an issue elsewhere is linked": {
			fleet, "https://github.com/a/b/issues/1", "fleet-bot", "https://redirect.github.com/a/b/issues/1",
		},
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			b := l.host()
			ref := done(t, b, backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Author: c.author, Text: c.text})
			i := l.Issue(1)
			if len(i.Comments) != 1 || string(ref) != fmt.Sprintf("1/%d", i.Comments[0].ID) {
				t.Fatalf("got %s, %v", ref, i.Comments)
			}
			mark, body, _ := strings.Cut(i.Comments[0].Body, "\n")
			if d := cmp.Diff([]string{c.by, c.body}, []string{i.Comments[0].By, body}); d != "" {
				t.Error(d)
			}
			if !strings.HasPrefix(mark, "<!-- fleet:"+id(1)) {
				t.Errorf("got %q", mark)
			}
			if want := strings.Count(c.body, "@ann"); len(l.Called()) != want || len(l.Linked()) != 0 {
				t.Errorf("called %v, linked %v", l.Called(), l.Linked())
			}
		})
	}
}

// A text of any length comes in parts that GitHub takes, each once, and is told as it was.
func TestPostLong(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b, in := l.host(), newInbox()
		stop := l.run(b, in)
		settled()
		text := strings.Repeat("A line with words — @eve, fixes #1.\n", 2500) + strings.Repeat("😀", 30_000)
		e := backend.Effect{
			ID: id(1), Kind: backend.Post, Channel: "general", Author: backend.Author{Key: "lead", Name: "Atlas"}, Text: text,
		}
		ref := done(t, b, e)
		if again := done(t, b, e); again != ref {
			t.Errorf("got %s, then %s", ref, again)
		}
		parts := l.Issue(1).Comments
		if want := utf8.RuneCountInString(text) / 65536; len(parts) < want || len(parts) > want+2 {
			t.Errorf("it has %d parts", len(parts))
		}
		settled()
		stop()
		var told strings.Builder
		for _, e := range in.take() {
			if e.Echo != id(1) || e.From.Name != "Atlas" || !e.From.Bot {
				t.Errorf("got %s of %v", e.Echo, e.From)
			}
			told.WriteString(e.Text)
		}
		if told.String() != text {
			t.Errorf("told otherwise than it was said: %d bytes of %d", told.Len(), len(text))
		}
	})
}

func TestPostRefused(t *testing.T) {
	for want, e := range map[string]backend.Effect{
		"26 letters and digits": {ID: "../x", Kind: backend.Post, Channel: "general", Text: "a"},
		"no channel":            {ID: id(1), Kind: backend.Post, Channel: "lessons", Text: "a"},
		"takes tasks":           {ID: id(1), Kind: backend.Post, Channel: "tasks", Text: "a"},
		"needs a text":          {ID: id(1), Kind: backend.Post, Channel: "general", Text: " \n"},
		"names no issue":        {ID: id(1), Kind: backend.Post, Channel: "general", Thread: "x/2", Text: "a"},
		"Not Found":             {ID: id(1), Kind: backend.Post, Channel: "tasks", Thread: "99", Text: "a"},
		"unknown kind":          {ID: id(1), Kind: "sing", Channel: "tasks"},
		"has no tasks":          {ID: id(1), Kind: backend.Create, Channel: "general"},
		"needs a title":         {ID: id(1), Kind: backend.Create, Channel: "tasks", Task: backend.Task{Title: "\n"}},
		"unknown state": {
			ID: id(1), Kind: backend.Create, Channel: "tasks", Task: backend.Task{Title: "a", State: "lost"},
		},
	} {
		bubble(t, want, func(t *testing.T, l *lab) {
			if _, err := do(t, l.host(), e); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// faulty runs a test for each fault at each of its requests, until it needs no more requests than that, or at the first
// so many after arm was called. Lists lag behind in any case.
func faulty(t *testing.T, most int, f func(t *testing.T, l *lab, arm func())) {
	for _, fault := range githubstub.All {
		t.Run(string(fault), func(t *testing.T) {
			for at, met := 1, true; met && at <= most; at++ {
				met = false
				bubble(t, fmt.Sprint(at), func(t *testing.T, l *lab) {
					l.Lag = 2 * time.Second
					if l.enough = 5 * time.Minute; fault == githubstub.Exhausted {
						l.enough = 70 * time.Minute
					}
					arm := func() {
						from := l.Requests()
						l.Set(func(s *githubstub.Server) {
							met = false
							s.Fault = func(_ *http.Request, n int) githubstub.Fault {
								if n != from+at {
									return githubstub.None
								}
								met = true
								return fault
							}
						})
					}
					arm()
					f(t, l, arm)
				})
			}
		})
	}
}

const every = 1000 // requests; no test has so many

// Whatever goes wrong with whichever request, a message is there once, all its parts in order, and so is the next.
func TestPostOnce(t *testing.T) {
	faulty(t, every, func(t *testing.T, l *lab, _ func()) {
		b := l.host()
		b.Shorten(1000)
		long := strings.Repeat("a", 1000)
		ref := done(t, b, backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Author: atlas, Text: long})
		next := backend.Effect{ID: id(2), Kind: backend.Post, Channel: "general", Author: atlas, Text: "And so on."}
		next.Thread = ref
		done(t, b, next)
		var got strings.Builder
		for n := 1; n <= l.Issues(); n++ {
			if i := l.Issue(n); i.State == "open" {
				for _, c := range i.Comments {
					_, body, _ := strings.Cut(c.Body, "**Atlas**\n\n")
					got.WriteString(body)
				}
			}
		}
		if got.String() != long+"And so on." {
			t.Errorf("%d bytes of %d are there", got.Len(), len(long)+10)
		}
	})
}
