//go:build machine

package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// peopleHost is where the test asks the stand-ins, which run in the machine: what people do there, and what they see.
const peopleHost = "people.test"

func TestMain(m *testing.M) {
	origins.Main(hosts()...)
	os.Exit(m.Run())
}

// standin is one of the stand-ins.
type standin interface {
	hosts() []origins.Host

	// facts are what a spec has of it: IDs, and tokens by the names of their secrets.
	facts() map[string]string

	// say has somebody write into a channel, or a thread of it, and returns the ID of the message.
	say(by, place, thread, text string) (id string)

	fail(how string)
	shown() []shown

	// broken are the rules of the service that requests have broken.
	broken() []string

	// restarts tells that the daemon begins anew, and what it was told of limits it does not know any more.
	restarts()
}

// Ways to fail, until another one is set.
const (
	well  = ""
	late  = "5xx after it was done" // messages, all else is well
	fails = "5xx"
	cut   = "connections end"
)

// shown is a message or a task as people see it.
type shown struct {
	Place, Thread string // key of a channel, ID of what the thread is of
	ID, By, Text  string
	Signs         []string // labels or reactions, sorted; of a task
}

// order is what the test asks for: that something is done, and what there is then.
type order struct {
	Service, Do             string
	By, Place, Thread, Text string
}

// view is the answer.
type view struct {
	Facts  map[string]string
	Shown  []shown
	Broken []string
	Sent   []string // SECRET HOST, of all services
	Said   string   // ID of the message
}

// hosts are the stand-ins at the names of the services, and the one for the test.
func hosts() []origins.Host {
	p := &people{all: map[string]standin{"github": newGitHub(), "slack": newSlack(), "discord": newDiscord()}, sent: map[string]bool{}}
	out := []origins.Host{{Name: peopleHost, Handler: p}}
	for _, s := range p.all {
		for _, host := range s.hosts() {
			out = append(out, origins.Host{Name: host.Name, Handler: p.watch(host.Handler)})
		}
	}
	return out
}

// people answers the test.
type people struct {
	all map[string]standin

	mu   sync.Mutex
	sent map[string]bool // SECRET HOST
}

// reachedPath is there for who only looks whether the host is reached; the services' rules have no such address.
const reachedPath = "/reached"

// watch notes which tokens are sent to a host.
func (p *people) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == reachedPath {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		text := fmt.Sprint(r.URL, r.Header) + string(body)
		p.mu.Lock()
		for _, s := range p.all {
			for name, value := range s.facts() {
				if isSecret(name) && strings.Contains(text, value) {
					p.sent[name+" "+r.Host] = true
				}
			}
		}
		p.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// isSecret tells whether a fact is a token.
func isSecret(fact string) bool { return strings.HasSuffix(fact, "_TOKEN") }

// ServeHTTP is http.Handler's.
func (p *people) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o order
	err := json.NewDecoder(r.Body).Decode(&o)
	s := p.all[o.Service]
	if err != nil || s == nil {
		http.Error(w, "no order", http.StatusBadRequest)
		return
	}
	v := view{Facts: s.facts()}
	switch o.Do {
	case "say":
		v.Said = s.say(o.By, o.Place, o.Thread, o.Text)
	case "fail":
		s.fail(o.Text)
	case "restart":
		s.restarts()
	}
	v.Shown, v.Broken = s.shown(), s.broken()
	p.mu.Lock()
	v.Sent = slices.Sorted(maps.Keys(p.sent))
	p.mu.Unlock()
	_ = json.NewEncoder(w).Encode(v)
}

// ask gives the stand-ins an order, by the way that stays on the host.
func (h *host) ask(o order) (v view) {
	h.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		h.t.Fatal(err)
	}
	out := h.MustRun("curl", "-sS", "--fail-with-body", "-m", "20", "-H", "Host: "+peopleHost, "-d", string(text), "http://127.0.0.1/")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		h.t.Fatalf("%s: %v\n%s", text, err, out)
	}
	return v
}

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}

// unmarked is a text without the characters of Discord's marks, which nobody sees.
func unmarked(text string) string { return strings.Trim(text, "\u2061\u2062\u2063\u2064") }
