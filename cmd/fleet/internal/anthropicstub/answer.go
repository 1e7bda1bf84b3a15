package anthropicstub

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"fleet/cmd/fleet/internal/standin"
)

// answer is one message of the assistant: a text, or a call of a shell's tool where command is set.
type answer struct{ model, text, tool, command string }

func (a answer) content() map[string]any {
	if a.command != "" {
		return map[string]any{
			"type": "tool_use", "id": "toolu_standin", "name": a.tool,
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
			"input_tokens": standin.InputTokens, "output_tokens": standin.OutputTokens,
			"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
		},
	}
}

// full is the answer to a request without streaming.
func (a answer) full() map[string]any { return a.message([]any{a.content()}, a.stopReason()) }

// events writes one event of a stream.
type events func(w http.ResponseWriter, kind string, data map[string]any)

// stream writes the answer as the events that the API documents: message_start, one content block, message_delta,
// message_stop.
func (a answer) stream(w http.ResponseWriter, event events) {
	start, delta := a.block()
	event(w, "message_start", map[string]any{"message": a.message([]any{}, nil)})
	event(w, "content_block_start", map[string]any{"index": 0, "content_block": start})
	event(w, "content_block_delta", map[string]any{"index": 0, "delta": delta})
	event(w, "content_block_stop", map[string]any{"index": 0})
	event(w, "message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": standin.OutputTokens},
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

// sse writes an event as Anthropic and Google send it.
func sse(w http.ResponseWriter, kind string, data map[string]any) {
	w.Header().Set("Content-Type", "text/event-stream")
	data["type"] = kind
	standin.Event(w, kind, data)
}

// frames writes an event as Amazon sends it: in its binary form of a message.
func frames(w http.ResponseWriter, kind string, data map[string]any) {
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	data["type"] = kind
	text, _ := json.Marshal(data) // maps of strings and numbers: cannot fail
	payload, _ := json.Marshal(map[string]string{"bytes": base64.StdEncoding.EncodeToString(text)})
	m := eventstream.Message{Payload: payload}
	for name, value := range map[string]string{":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"} {
		m.Headers.Set(name, eventstream.StringValue(value))
	}
	_ = eventstream.NewEncoder().Encode(w, m)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

func writeError(w http.ResponseWriter, status int, kind, text string) {
	standin.JSON(w, status, map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": text}})
}
