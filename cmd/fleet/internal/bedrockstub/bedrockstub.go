// Package bedrockstub stands in for the Converse API of Amazon Bedrock, which OpenCode speaks there, so that tests run the
// real program without an account or a network. It answers every prompt with one short text, or as the prompt orders; see
// package standin. Tests only: no command links it.
package bedrockstub

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"fleet/cmd/fleet/internal/standin"
)

// Server is the stand-in; it needs a Book.
type Server struct{ *standin.Book }

var pathRe = regexp.MustCompile(`^/model/([^/]+)/converse-stream$`)

// ServeHTTP answers converse-stream; everything else is 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q request
	body := standin.Read(r, &q)
	at := pathRe.FindStringSubmatch(r.URL.EscapedPath())
	if at == nil {
		s.Note(r, standin.Request{Body: body})
		standin.JSON(w, http.StatusNotFound, object{"message": "the stand-in has no " + r.URL.Path})
		return
	}
	model, _ := url.PathUnescape(at[1]) // it is one by EscapedPath
	prompt := q.prompt()
	s.Note(r, standin.Request{Model: model, Prompt: prompt, Body: body})
	if f := standin.Orders(prompt).Fail; f != nil {
		w.Header().Set("X-Amzn-ErrorType", f.Type)
		standin.JSON(w, f.Status, object{"message": f.Text})
		return
	}
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	for _, e := range q.answer(standin.Orders(prompt).Command) {
		write(w, e.kind, e.data)
	}
}

type object = map[string]any

func write(w http.ResponseWriter, kind string, data object) {
	payload, _ := json.Marshal(data) // maps of strings and numbers: cannot fail
	m := eventstream.Message{Payload: payload}
	for name, value := range map[string]string{":event-type": kind, ":content-type": "application/json", ":message-type": "event"} {
		m.Headers.Set(name, eventstream.StringValue(value))
	}
	_ = eventstream.NewEncoder().Encode(w, m)
}

// request is the part of a request that matters here.
type request struct {
	Messages []struct {
		Role    string `json:"role"`
		Content []struct {
			Text       string `json:"text"`
			ToolResult any    `json:"toolResult"`
		} `json:"content"`
	} `json:"messages"`
	ToolConfig struct {
		Tools []struct {
			ToolSpec struct {
				Name string `json:"name"`
			} `json:"toolSpec"`
		} `json:"tools"`
	} `json:"toolConfig"`
}

// prompt returns the text of the last user message, "" where it holds the result of a tool.
func (q request) prompt() string {
	text := ""
	for _, m := range q.Messages {
		if m.Role != "user" {
			continue
		}
		text = ""
		for _, c := range m.Content {
			if c.ToolResult != nil {
				text = ""
				break
			}
			if c.Text != "" {
				text = c.Text
			}
		}
	}
	return text
}

type event struct {
	kind string
	data object
}

func (q request) answer(command string) []event {
	out := []event{{"messageStart", object{"role": "assistant"}}}
	reason := "end_turn"
	begin, delta := object(nil), object{"text": standin.Done}
	for _, t := range q.ToolConfig.Tools {
		if t.ToolSpec.Name == "bash" && command != "" {
			input, _ := json.Marshal(object{"command": command, "description": "asked for by the prompt"}) // strings: cannot fail
			begin = object{"toolUse": object{"toolUseId": "tooluse_standin", "name": "bash"}}
			delta, reason = object{"toolUse": object{"input": string(input)}}, "tool_use"
		}
	}
	if begin != nil {
		out = append(out, event{"contentBlockStart", object{"contentBlockIndex": 0, "start": begin}})
	}
	return append(out,
		event{"contentBlockDelta", object{"contentBlockIndex": 0, "delta": delta}},
		event{"contentBlockStop", object{"contentBlockIndex": 0}},
		event{"messageStop", object{"stopReason": reason}},
		event{"metadata", object{"metrics": object{"latencyMs": 1}, "usage": object{
			"inputTokens": standin.InputTokens, "outputTokens": standin.OutputTokens, "totalTokens": standin.InputTokens + standin.OutputTokens,
		}}})
}
