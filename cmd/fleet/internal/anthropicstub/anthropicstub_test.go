package anthropicstub_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/anthropicstub"
	"fleet/cmd/fleet/internal/standin"
)

func post(t *testing.T, s *anthropicstub.Server, path, body string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", "fleet-test-1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// events are the types of the server-sent events, in their order; each must be JSON that names its own type.
func events(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan(); {
		data, ok := strings.CutPrefix(scan.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		out = append(out, e.Type)
	}
	return out
}

const bash = `"tools":[{"name":"Bash"}],`

func TestStream(t *testing.T) {
	s := &anthropicstub.Server{Book: new(standin.Book)}
	body := `{"model":"m",` + bash + `"stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"remember\nrun: ls -la"}]}]}`
	_, text := post(t, s, "/v1/messages", body)
	want := []string{"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"}
	if d := cmp.Diff(want, events(t, text)); d != "" {
		t.Error(d)
	}
	if !strings.Contains(text, `"stop_reason":"tool_use"`) || !strings.Contains(text, `\"command\":\"ls -la\"`) {
		t.Errorf("no call of the tool: %s", text)
	}
	seen := standin.Request{Method: "POST", Path: "/v1/messages", Key: "fleet-test-1", Model: "m", Prompt: "remember\nrun: ls -la", Body: body}
	got := s.Requests()
	got[0].Host = ""
	if d := cmp.Diff([]standin.Request{seen}, got); d != "" {
		t.Error(d)
	}
}

// Google and Amazon name the model in the path, and Amazon frames its events.
func TestClouds(t *testing.T) {
	const body = `{"stream":true,"messages":[{"role":"user","content":"hello"}]}`
	s := &anthropicstub.Server{Book: new(standin.Book)}
	_, text := post(t, s, "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-x:streamRawPredict", body)
	if got := events(t, text); len(got) != 6 {
		t.Errorf("Vertex AI: %s", text)
	}
	res, text := post(t, s, "/model/eu.anthropic.claude-y/invoke-with-response-stream", body)
	var got []string
	for d, r := eventstream.NewDecoder(), strings.NewReader(text); ; {
		m, err := d.Decode(r, nil)
		if err != nil {
			break
		}
		var payload struct{ Bytes []byte }
		var e struct{ Type string }
		if err := json.Unmarshal(m.Payload, &payload); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(payload.Bytes, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Type)
	}
	if len(got) != 6 || res.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" {
		t.Errorf("Bedrock: %q %v", got, res.Header)
	}
	if seen := s.Requests(); seen[0].Model != "claude-x" || seen[1].Model != "eu.anthropic.claude-y" {
		t.Errorf("%+v", seen)
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"text":           {`{"model":"m","messages":[{"role":"user","content":"hello"}]}`, 200, `"stop_reason":"end_turn"`},
		"tool not there": {`{"model":"m","messages":[{"role":"user","content":"run: ls"}]}`, 200, `"stop_reason":"end_turn"`},
		"result of tool": {`{"model":"m",` + bash + `"messages":[{"role":"user","content":"run: ls"},{"role":"user","content":[{"type":"tool_result","content":"x"}]}]}`, 200, `"stop_reason":"end_turn"`},
		"asked to fail":  {`{"model":"m","messages":[{"role":"user","content":"fail: 400 billing_error no money"}]}`, 400, `"message":"no money"`},
		"no message":     {`nonsense`, 404, `"not_found_error"`},
		"empty":          {``, 404, `"not_found_error"`},
	} {
		res, text := post(t, &anthropicstub.Server{Book: new(standin.Book)}, "/v1/messages", c.body)
		if res.StatusCode != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
	}
	if res, _ := post(t, &anthropicstub.Server{Book: new(standin.Book)}, "/v1/else", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %d", res.StatusCode)
	}
}

func TestUsageLimit(t *testing.T) {
	res, _ := post(t, &anthropicstub.Server{Book: new(standin.Book)}, "/v1/messages", `{"model":"m","messages":[{"role":"user","content":"limit: 1795181012"}]}`)
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Anthropic-Ratelimit-Unified-Reset") != "1795181012" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}
