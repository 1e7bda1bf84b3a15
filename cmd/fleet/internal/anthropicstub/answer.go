package anthropicstub

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Token counts that every answer reports, so that tests can tell that a record holds what the harness was told.
const (
	InputTokens  = 321
	OutputTokens = 45
)

// answer is one message of the assistant: a text, or a call of the tool Bash where command is set.
type answer struct{ model, text, command string }

func (a answer) content() map[string]any {
	if a.command != "" {
		return map[string]any{
			"type": "tool_use", "id": "toolu_standin", "name": "Bash",
			"input": map[string]any{"command": a.command, "description": "asked for by the prompt"},
		}
	}
	return map[string]any{"type": "text", "text": a.text}
}

func (a answer) stopReason() string {
	if a.command != "" {
		return "tool_use"
	}
	return "end_turn"
}

func (a answer) message(content []any, stop any) map[string]any {
	return map[string]any{
		"id": "msg_standin", "type": "message", "role": "assistant", "model": a.model,
		"content": content, "stop_reason": stop, "stop_sequence": nil,
		"usage": map[string]any{
			"input_tokens": InputTokens, "output_tokens": OutputTokens,
			"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
		},
	}
}

// full is the answer to a request without streaming.
func (a answer) full() map[string]any { return a.message([]any{a.content()}, a.stopReason()) }

// stream writes the answer as the server-sent events that the API documents: message_start, one content block,
// message_delta, message_stop.
func (a answer) stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	start, delta := a.block()
	event(w, "message_start", map[string]any{"message": a.message([]any{}, nil)})
	event(w, "content_block_start", map[string]any{"index": 0, "content_block": start})
	event(w, "content_block_delta", map[string]any{"index": 0, "delta": delta})
	event(w, "content_block_stop", map[string]any{"index": 0})
	event(w, "message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": OutputTokens},
	})
	event(w, "message_stop", map[string]any{})
}

// block returns the content block as it begins, empty, and the one delta that fills it.
func (a answer) block() (start, delta map[string]any) {
	start = a.content()
	if a.command == "" {
		start["text"] = ""
		return start, map[string]any{"type": "text_delta", "text": a.text}
	}
	input, _ := json.Marshal(start["input"]) // strings only: cannot fail
	start["input"] = map[string]any{}
	return start, map[string]any{"type": "input_json_delta", "partial_json": string(input)}
}

func event(w http.ResponseWriter, kind string, data map[string]any) {
	data["type"] = kind
	text, _ := json.Marshal(data) // maps of strings and numbers: cannot fail
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, text)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, kind, text string) {
	writeJSON(w, status, map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": text}})
}
