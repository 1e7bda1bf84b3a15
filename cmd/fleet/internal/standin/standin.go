// Package standin is what the stand-ins for the APIs of models share, with which tests run real harnesses without an
// account: what the prompt of a test tells them to answer, and what they have seen. Tests only: no command links it.
package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Done is the text of every answer that nothing else was told for.
const Done = "The stand-in has done its part."

// Token counts that every answer reports, so that tests can tell that a record holds what the harness was told.
const (
	InputTokens  = 321
	OutputTokens = 45
)

// bodyLimit bounds what is read of a request: those of Claude Code with all its tools have some 150 KiB.
const bodyLimit = 4 << 20

// Request is what a stand-in saw of one request.
type Request struct {
	Method string `json:"method"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	Key    string `json:"key"`    // the credential, of whatever header
	Model  string `json:"model"`  // empty where the request is for none
	Prompt string `json:"prompt"` // text of the last message of the user; empty where results of tools follow it
	Body   string `json:"body"`   // all of it, with what the harness adds: instructions and tools
}

// Book keeps what was seen. Its zero value is ready.
type Book struct {
	Log io.Writer // gets each Request as a JSON line where set

	mu   sync.Mutex
	seen []Request
}

// Requests returns what was seen so far.
func (b *Book) Requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// Note keeps a request, with what of it is the same in every API filled in.
func (b *Book) Note(r *http.Request, seen Request) {
	seen.Method, seen.Host, seen.Path, seen.Key = r.Method, r.Host, r.URL.Path, key(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, seen)
	if b.Log != nil {
		_ = json.NewEncoder(b.Log).Encode(seen)
	}
}

func key(r *http.Request) string {
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key"} {
		if k := r.Header.Get(name); k != "" {
			return k
		}
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// Read decodes the body of a request into v and returns it. A body that is none leaves v as it was.
func Read(r *http.Request, v any) string {
	body, _ := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
	_ = json.Unmarshal(body, v)
	return string(body)
}

// Order is what the prompt of a test tells a stand-in to answer. The zero Order is an answer of text.
type Order struct {
	Command string    // "run: COMMAND": a call of the harness's tool for shell commands first
	Fail    *Failure  // "fail: STATUS TYPE TEXT"
	Limit   time.Time // "limit: EPOCH": the plan of an account is used up until then
	Rate    time.Time // "rate: EPOCH": what a key may use is used up until then
}

// Failure is an error of the API.
type Failure struct {
	Status     int
	Type, Text string
}

// Each order stands on a line of its own.
var (
	runRe   = regexp.MustCompile(`(?m)^run: (.+)$`)
	limitRe = regexp.MustCompile(`(?m)^limit: (\d+)$`)
	rateRe  = regexp.MustCompile(`(?m)^rate: (\d+)$`)
	failRe  = regexp.MustCompile(`(?m)^fail: ([45]\d\d) (\w+) (.+)$`)
)

// Orders reads them in a prompt.
func Orders(prompt string) Order {
	var o Order
	if m := failRe.FindStringSubmatch(prompt); m != nil {
		status, _ := strconv.Atoi(m[1]) // three digits by the pattern
		o.Fail = &Failure{status, m[2], m[3]}
	}
	o.Limit, o.Rate = until(limitRe, prompt), until(rateRe, prompt)
	if m := runRe.FindStringSubmatch(prompt); m != nil {
		o.Command = m[1]
	}
	return o
}

func until(re *regexp.Regexp, prompt string) time.Time {
	m := re.FindStringSubmatch(prompt)
	if m == nil {
		return time.Time{}
	}
	epoch, _ := strconv.ParseInt(m[1], 10, 64) // one too large is the end of time
	return time.Unix(epoch, 0)
}

// Wait is how long a client is told to wait until t: whole seconds.
func Wait(t time.Time) time.Duration { return time.Until(t).Round(time.Second) }

// JSON answers with v.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Event writes one server-sent event with v as its data; a kind of "" is left out.
func Event(w http.ResponseWriter, kind string, v any) {
	text, _ := json.Marshal(v) // maps of strings and numbers: cannot fail
	if kind != "" {
		_, _ = io.WriteString(w, "event: "+kind+"\n")
	}
	_, _ = io.WriteString(w, "data: "+string(text)+"\n\n")
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
