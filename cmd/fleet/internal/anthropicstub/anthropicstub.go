// Package anthropicstub stands in for Anthropic's Messages API, so that tests run the real Claude Code program without
// an account or a network. It answers every prompt with one short text; a prompt that holds "run: COMMAND" on a line is
// answered with a call of the Bash tool first, one that holds "fail: STATUS TYPE TEXT" on a line with that error, and
// one that holds "limit: EPOCH" as an account whose limit is used up until then. Tests only: no command links it.
package anthropicstub

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// bodyLimit bounds what is kept of a request: a Claude Code request with all tools is about 150 KiB.
const bodyLimit = 4 << 20

// Request is what the stand-in saw of one request.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Key    string `json:"key"`    // x-api-key or the bearer token
	Model  string `json:"model"`  // empty where the request is no message
	Prompt string `json:"prompt"` // text of the last user message
}

// Server is the stand-in. Its zero value is ready.
type Server struct {
	Log io.Writer // gets each Request as a JSON line where set

	mu   sync.Mutex
	seen []Request
}

// Requests returns what was seen so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.seen...)
}

// ServeHTTP answers /v1/messages and /v1/messages/count_tokens; everything else is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
	var m message
	_ = json.Unmarshal(body, &m) // a body that is no message leaves m empty and is recorded as such
	req := Request{Method: r.Method, Path: r.URL.Path, Key: key(r.Header), Model: m.Model, Prompt: m.prompt()}
	s.record(req)
	switch r.URL.Path {
	case "/v1/messages":
		reply(w, m)
	case "/v1/messages/count_tokens":
		writeJSON(w, http.StatusOK, map[string]any{"input_tokens": 10})
	default:
		writeError(w, http.StatusNotFound, "not_found_error", "the stand-in has no "+r.URL.Path)
	}
}

func reply(w http.ResponseWriter, m message) {
	if f := failRe.FindStringSubmatch(m.prompt()); f != nil {
		status, _ := strconv.Atoi(f[1]) // three digits by the pattern
		writeError(w, status, f[2], f[3])
		return
	}
	if l := limitRe.FindStringSubmatch(m.prompt()); l != nil {
		for k, v := range map[string]string{"Status": "rejected", "Reset": l[1], "Representative-Claim": "five_hour"} {
			w.Header().Set("Anthropic-Ratelimit-Unified-"+k, v)
		}
		writeError(w, http.StatusTooManyRequests, "rate_limit_error", "This request would exceed your account's rate limit.")
		return
	}
	a := m.answer()
	if m.Stream {
		a.stream(w)
		return
	}
	writeJSON(w, http.StatusOK, a.full())
}

func (s *Server) record(req Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, req)
	if s.Log != nil {
		_ = json.NewEncoder(s.Log).Encode(req)
	}
}

func key(h http.Header) string {
	if k := h.Get("X-Api-Key"); k != "" {
		return k
	}
	return strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
}

// message is the part of a request that matters here.
type message struct {
	Model    string `json:"model"`
	Stream   bool   `json:"stream"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Name string `json:"name"`
	} `json:"tools"`
}

type block struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// prompt returns the text of the last user message; results of tools count as no text.
func (m message) prompt() string {
	for i := len(m.Messages) - 1; i >= 0; i-- {
		if m.Messages[i].Role != "user" {
			continue
		}
		var text string
		if json.Unmarshal(m.Messages[i].Content, &text) == nil {
			return text
		}
		var blocks []block
		_ = json.Unmarshal(m.Messages[i].Content, &blocks)
		var texts []string
		for _, b := range blocks {
			if b.Type == "text" {
				texts = append(texts, b.Text)
			}
		}
		return strings.Join(texts, "\n")
	}
	return ""
}

var (
	runRe   = regexp.MustCompile(`(?m)^run: (.+)$`)
	limitRe = regexp.MustCompile(`(?m)^limit: (\d+)$`)
	failRe  = regexp.MustCompile(`(?m)^fail: ([45]\d\d) (\w+) (.+)$`)
)

// answer is a call of Bash where the prompt asks for one and the tool is offered, else a text. After the tool has run
// the last user message is its result, which holds no "run:", so the turn ends.
func (m message) answer() answer {
	a := answer{model: m.Model, text: "The stand-in has done its part."}
	for _, t := range m.Tools {
		if c := runRe.FindStringSubmatch(m.prompt()); t.Name == "Bash" && c != nil {
			a.command = c[1]
		}
	}
	return a
}
