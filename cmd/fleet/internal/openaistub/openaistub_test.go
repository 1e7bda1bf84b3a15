package openaistub_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/openaistub"
	"fleet/cmd/fleet/internal/standin"
)

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       []string
	}{
		"text": {
			"/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"hello"}]}]}`, 200,
			[]string{"event: response.created\n", `"delta":"` + standin.Done, "event: response.completed\n", `"input_tokens":321`},
		},
		"call": {
			"/v1/responses", `{"input":[{"role":"user","content":"run: ls"}],"tools":[{"type":"function","name":"exec_command"}]}`, 200,
			[]string{`"type":"function_call"`, `\"cmd\":\"ls\"`},
		},
		"script": {
			"/v1/responses", `{"input":[{"type":"additional_tools","tools":[{"type":"namespace","tools":[{"name":"exec"}]}]},{"role":"user","content":"run: ls"}]}`, 200,
			[]string{`"type":"custom_tool_call"`, `tools.exec_command({cmd: \"ls\"`},
		},
		"result of a tool": {
			"/v1/responses", `{"input":[{"role":"user","content":"run: ls"},{"type":"function_call_output"}],"tools":[{"name":"exec_command"}]}`, 200,
			[]string{standin.Done},
		},
		"chat": {
			"/v1/chat/completions", `{"messages":[{"role":"user","content":"hello"}]}`, 200,
			[]string{standin.Done, `"prompt_tokens":321`, "data: [DONE]"},
		},
		"chat with a call": {
			"/chat/completions", `{"messages":[{"role":"user","content":"run: ls"}],"tools":[{"type":"function","function":{"name":"bash"}}]}`, 200,
			[]string{`"tool_calls"`, `\"command\":\"ls\"`, `"finish_reason":"tool_calls"`},
		},
		"plan used up": {"/v1/responses", `{"input":[{"role":"user","content":"limit: 9999999999"}]}`, 429, []string{"usage_limit_reached", "9999999999"}},
		"key used up":  {"/v1/responses", `{"input":[{"role":"user","content":"rate: 9999999999"}]}`, 429, []string{"rate_limit_exceeded", "try again in"}},
		"failure":      {"/v1/responses", `{"input":[{"role":"user","content":"fail: 400 billing no money"}]}`, 400, []string{"no money"}},
		"another path": {"/v1/embeddings", `{}`, 404, []string{"has no /v1/embeddings"}},
	} {
		s := httptest.NewServer(&openaistub.Server{Book: new(standin.Book)})
		res, err := http.Post(s.URL+c.path, "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		s.Close()
		if err != nil || res.StatusCode != c.status {
			t.Errorf("%s: %d, %v", name, res.StatusCode, err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q in %s", name, want, text)
			}
		}
	}
}
