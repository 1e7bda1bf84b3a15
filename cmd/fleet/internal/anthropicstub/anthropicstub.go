// Package anthropicstub stands in for Anthropic's Messages API, so that tests run the real Claude Code without an account
// or a network: at Anthropic's own paths, at those of Google's Vertex AI, and at those of Amazon Bedrock. It answers every
// prompt with one short text, or as the prompt orders; see package standin. Tests only: no command links it.
package anthropicstub

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"fleet/cmd/fleet/internal/standin"
)

// Server is the stand-in; it needs a Book.
type Server struct{ *standin.Book }

// Paths by which Google and Amazon name the model, and whether the answer is a stream.
var (
	vertexRe  = regexp.MustCompile(`^/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/([^/:]+):(streamRawPredict|rawPredict)$`)
	bedrockRe = regexp.MustCompile(`^/model/([^/]+)/(invoke-with-response-stream|invoke)$`)
)

// ServeHTTP answers messages, and counts of their tokens; everything else is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m message
	body := standin.Read(r, &m)
	of := events(sse)
	if at := vertexRe.FindStringSubmatch(r.URL.Path); at != nil {
		m.Model = at[1]
	} else if at := bedrockRe.FindStringSubmatch(r.URL.EscapedPath()); at != nil {
		m.Model, _ = url.PathUnescape(at[1]) // it is one by EscapedPath
		m.Stream, of = at[2] != "invoke", frames
	}
	s.Note(r, standin.Request{Model: m.Model, Prompt: m.prompt(), Body: body})
	switch {
	case m.Model != "" && r.URL.Path != "/v1/messages/count_tokens":
		reply(w, m, of)
	case r.URL.Path == "/v1/messages/count_tokens":
		standin.JSON(w, http.StatusOK, map[string]any{"input_tokens": 10})
	default:
		writeError(w, http.StatusNotFound, "not_found_error", "the stand-in has no "+r.URL.Path)
	}
}

func reply(w http.ResponseWriter, m message, of events) {
	order := standin.Orders(m.prompt())
	if f := order.Fail; f != nil {
		writeError(w, f.Status, f.Type, f.Text)
		return
	}
	if !order.Limit.IsZero() {
		reset := strconv.FormatInt(order.Limit.Unix(), 10)
		for k, v := range map[string]string{"Status": "rejected", "Reset": reset, "Representative-Claim": "five_hour"} {
			w.Header().Set("Anthropic-Ratelimit-Unified-"+k, v)
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(standin.Wait(order.Limit).Seconds())))
		writeError(w, http.StatusTooManyRequests, "rate_limit_error", "This request would exceed your account's rate limit. Please try again later.")
		return
	}
	if !order.Rate.IsZero() {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on "+
			order.Rate.UTC().Format("2006-01-02 at 15:04")+" UTC.")
		return
	}
	a := m.answer(order)
	if m.Stream {
		a.stream(w, of)
		return
	}
	standin.JSON(w, http.StatusOK, a.full())
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

func (m message) tools() []string {
	var out []string
	for _, t := range m.Tools {
		out = append(out, t.Name)
	}
	return out
}

// answer is a call of a shell where the prompt asks for one and the tool is offered, else a text. After the tool has run
// the last user message is its result, which holds no order, so the turn ends.
func (m message) answer(order standin.Order) answer {
	a := answer{model: m.Model, text: standin.Done}
	for _, name := range m.tools() {
		if (name == "Bash" || name == "bash") && order.Command != "" {
			a.tool, a.command = name, order.Command
		}
	}
	return a
}
