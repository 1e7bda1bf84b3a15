package geministub_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/geministub"
	"fleet/cmd/fleet/internal/standin"
)

func TestAnswers(t *testing.T) {
	const stream, tools = "/v1beta/models/m:streamGenerateContent", `,"tools":[{"functionDeclarations":[{"name":"run_shell_command"}]}]`
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"stream":           {stream, `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, 200, "data: {"},
		"whole":            {"/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, 200, standin.Done},
		"Vertex AI":        {"/v1beta1/publishers/google/models/m:streamGenerateContent", `{}`, 200, `"promptTokenCount":321`},
		"call":             {stream, `{"contents":[{"role":"user","parts":[{"text":"run: ls"}]}]` + tools + `}`, 200, `"functionCall":{"args":{"command":"ls"`},
		"result of a tool": {stream, `{"contents":[{"role":"user","parts":[{"text":"run: ls"}]},{"role":"user","parts":[{"functionResponse":{}}]}]` + tools + `}`, 200, standin.Done},
		"tool not there":   {stream, `{"contents":[{"role":"user","parts":[{"text":"run: ls"}]}]}`, 200, standin.Done},
		"used up":          {stream, `{"contents":[{"role":"user","parts":[{"text":"limit: 9999999999"}]}]}`, 429, "PerMinute"},
		"used up today":    {stream, `{"contents":[{"role":"user","parts":[{"text":"rate: 9999999999"}]}]}`, 429, "PerDay"},
		"failure":          {stream, `{"contents":[{"role":"user","parts":[{"text":"fail: 400 INVALID no money"}]}]}`, 400, "no money"},
		"count":            {"/v1beta/models/m:countTokens", `{}`, 200, `"totalTokens":321`},
		"another path":     {"/v1beta/models", `{}`, 404, "NOT_FOUND"},
	} {
		s := httptest.NewServer(&geministub.Server{Book: new(standin.Book)})
		res, err := http.Post(s.URL+c.path, "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		s.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %d, %v, %s", name, res.StatusCode, err, text)
		}
	}
}
