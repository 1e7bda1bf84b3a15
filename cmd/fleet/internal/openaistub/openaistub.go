// Package openaistub stands in for OpenAI's Responses API, which Codex and OpenCode speak, and for its Chat Completions API,
// which Ollama and others have too, so that tests run the real programs without an account or a network. It answers every
// prompt with one short text, or as the prompt orders; see package standin. Tests only: no command links it.
package openaistub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fleet/cmd/fleet/internal/standin"
)

// Server is the stand-in; it needs a Book.
type Server struct{ *standin.Book }

// ServeHTTP answers requests whose path ends in /responses or /chat/completions; everything else is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q request
	body := standin.Read(r, &q)
	prompt := q.prompt()
	s.Note(r, standin.Request{Model: q.Model, Prompt: prompt, Body: body})
	stream := responses
	switch {
	case strings.HasSuffix(r.URL.Path, "/responses") && r.Method == http.MethodGet: // a WebSocket, where a client tries that first
		fail(w, http.StatusUpgradeRequired, "invalid_request_error", "the stand-in has no WebSocket")
		return
	case r.Method != http.MethodPost:
		fail(w, http.StatusNotFound, "invalid_request_error", "the stand-in has no "+r.URL.Path)
		return
	case strings.HasSuffix(r.URL.Path, "/chat/completions"):
		stream = completions
	case !strings.HasSuffix(r.URL.Path, "/responses"):
		fail(w, http.StatusNotFound, "invalid_request_error", "the stand-in has no "+r.URL.Path)
		return
	}
	order := standin.Orders(prompt)
	switch {
	case order.Fail != nil:
		fail(w, order.Fail.Status, order.Fail.Type, order.Fail.Text)
	case !order.Limit.IsZero():
		usedUp(w, order.Limit)
	case !order.Rate.IsZero():
		tooMany(w, q.Model, order.Rate)
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		stream(w, q.Model, q.call(order.Command))
	}
}

// usedUp is the answer for an account of ChatGPT whose plan is used up.
func usedUp(w http.ResponseWriter, until time.Time) {
	standin.JSON(w, http.StatusTooManyRequests, map[string]any{"error": map[string]any{
		"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "pro", "resets_at": until.Unix(),
	}})
}

// tooMany is the answer for a key that may not ask for more in a day.
func tooMany(w http.ResponseWriter, model string, until time.Time) {
	wait := standin.Wait(until)
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	w.Header().Set("X-Ratelimit-Reset-Requests", wait.String())
	standin.JSON(w, http.StatusTooManyRequests, map[string]any{"error": map[string]any{
		"type": "requests", "code": "rate_limit_exceeded", "param": nil,
		"message": fmt.Sprintf("Rate limit reached for %s in organization org-standin on requests per day (RPD): Limit 200, Used 200, "+
			"Requested 1. Please try again in %s. Visit https://platform.openai.com/account/rate-limits to learn more.", model, wait),
	}})
}

func fail(w http.ResponseWriter, status int, kind, text string) {
	standin.JSON(w, status, map[string]any{"error": map[string]any{"type": kind, "code": kind, "message": text, "param": nil}})
}

// request is the part of a request that matters here, of both APIs.
type request struct {
	Model    string `json:"model"`
	Input    []item `json:"input"`
	Messages []item `json:"messages"`
	Tools    []tool `json:"tools"`
}

// item is a message, a result of a tool or, of Codex alone, tools.
type item struct {
	Type    string          `json:"type"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Tools   []tool          `json:"tools"`
}

type tool struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
	Tools []tool `json:"tools"` // of a namespace
}

func (i item) text() string {
	var text string
	if json.Unmarshal(i.Content, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(i.Content, &parts)
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.Text)
	}
	return strings.Join(texts, "\n")
}

// prompt returns the text of the last user message, "" where the result of a tool has come since.
func (q request) prompt() string {
	text := ""
	for _, i := range append(q.Input, q.Messages...) {
		switch {
		case i.Role == "user":
			text = i.text()
		case i.Role == "tool" || strings.HasSuffix(i.Type, "_call_output"):
			text = ""
		}
	}
	return text
}

// call returns the call of a tool that runs a command, nil where there is no command or no tool for it.
func (q request) call(command string) *call {
	tools := q.Tools
	for _, i := range q.Input {
		tools = append(tools, i.Tools...)
	}
	if command == "" {
		return nil
	}
	return find(tools, command)
}

// call is one of a tool: with JSON as its arguments or, of a custom one, with a text.
type call struct {
	name, arguments string
	custom          bool
}

// find knows the tools for shell commands of Codex, plain and by a script, and of OpenCode.
func find(tools []tool, command string) *call {
	quoted, _ := json.Marshal(command) // a string: cannot fail
	for _, t := range tools {
		if c := find(t.Tools, command); c != nil {
			return c
		}
		switch t.Name + t.Function.Name {
		case "exec_command":
			return &call{"exec_command", `{"cmd":` + string(quoted) + `,"yield_time_ms":30000}`, false}
		case "exec":
			return &call{"exec", "text(await tools.exec_command({cmd: " + string(quoted) + ", yield_time_ms: 30000}))", true}
		case "bash":
			return &call{"bash", `{"command":` + string(quoted) + `,"description":"asked for by the prompt"}`, false}
		}
	}
	return nil
}
