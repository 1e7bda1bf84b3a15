package openaistub

import (
	"io"
	"net/http"

	"fleet/cmd/fleet/internal/standin"
)

type object = map[string]any

// responses streams an answer as the Responses API does: response.created, one item, response.completed.
func responses(w http.ResponseWriter, model string, c *call) {
	n := 0
	event := func(kind string, data object) {
		data["type"], data["sequence_number"] = kind, n
		n++
		standin.Event(w, kind, data)
	}
	response := object{"id": "resp_standin", "object": "response", "model": model, "created_at": 1, "status": "in_progress", "output": []any{}}
	event("response.created", object{"response": response})
	done := message()
	if c != nil {
		done = c.item()
	}
	event("response.output_item.added", object{"output_index": 0, "item": begun(done)})
	switch {
	case c == nil:
		event("response.content_part.added", object{"item_id": "item_standin", "output_index": 0, "content_index": 0, "part": part("")})
		event("response.output_text.delta", object{"item_id": "item_standin", "output_index": 0, "content_index": 0, "delta": standin.Done})
		event("response.output_text.done", object{"item_id": "item_standin", "output_index": 0, "content_index": 0, "text": standin.Done})
		event("response.content_part.done", object{"item_id": "item_standin", "output_index": 0, "content_index": 0, "part": part(standin.Done)})
	case !c.custom:
		event("response.function_call_arguments.delta", object{"item_id": "item_standin", "output_index": 0, "delta": c.arguments})
		event("response.function_call_arguments.done", object{"item_id": "item_standin", "output_index": 0, "arguments": c.arguments})
	}
	event("response.output_item.done", object{"output_index": 0, "item": done})
	response["status"], response["output"] = "completed", []any{done}
	response["usage"] = object{
		"input_tokens": standin.InputTokens, "output_tokens": standin.OutputTokens, "total_tokens": standin.InputTokens + standin.OutputTokens,
		"input_tokens_details": object{"cached_tokens": 0}, "output_tokens_details": object{"reasoning_tokens": 0},
	}
	event("response.completed", object{"response": response})
}

func part(text string) object {
	return object{"type": "output_text", "text": text, "annotations": []any{}}
}

func message() object {
	return object{"type": "message", "id": "item_standin", "role": "assistant", "status": "completed", "content": []any{part(standin.Done)}}
}

func (c *call) item() object {
	if c.custom {
		return object{"type": "custom_tool_call", "id": "item_standin", "call_id": "call_standin", "name": c.name, "input": c.arguments, "status": "completed"}
	}
	return object{"type": "function_call", "id": "item_standin", "call_id": "call_standin", "name": c.name, "arguments": c.arguments, "status": "completed"}
}

// begun is an item before anything of it has come.
func begun(done object) object {
	out := object{}
	for k, v := range done {
		out[k] = v
	}
	out["status"] = "in_progress"
	for _, key := range []string{"arguments", "input"} {
		if _, ok := out[key]; ok {
			out[key] = ""
		}
	}
	if _, ok := out["content"]; ok {
		out["content"] = []any{}
	}
	return out
}

// completions streams an answer as the Chat Completions API does.
func completions(w http.ResponseWriter, model string, c *call) {
	chunk := func(delta object, reason any, usage any) {
		out := object{"id": "chatcmpl-standin", "object": "chat.completion.chunk", "created": 1, "model": model, "usage": usage}
		out["choices"] = []any{object{"index": 0, "delta": delta, "finish_reason": reason}}
		standin.Event(w, "", out)
	}
	delta, reason := object{"role": "assistant", "content": standin.Done}, "stop"
	if c != nil {
		function := object{"name": c.name, "arguments": c.arguments}
		delta = object{"role": "assistant", "tool_calls": []any{object{"index": 0, "id": "call_standin", "type": "function", "function": function}}}
		reason = "tool_calls"
	}
	chunk(delta, nil, nil)
	chunk(object{}, reason, object{
		"prompt_tokens": standin.InputTokens, "completion_tokens": standin.OutputTokens, "total_tokens": standin.InputTokens + standin.OutputTokens,
	})
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}
