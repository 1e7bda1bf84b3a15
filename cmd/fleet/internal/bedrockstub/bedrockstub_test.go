package bedrockstub_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"fleet/cmd/fleet/internal/bedrockstub"
	"fleet/cmd/fleet/internal/standin"
)

func TestAnswers(t *testing.T) {
	const path, tools = "/model/eu.x-v1%3A0/converse-stream", `,"toolConfig":{"tools":[{"toolSpec":{"name":"bash"}}]}`
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"text":             {path, `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`, 200, standin.Done},
		"call":             {path, `{"messages":[{"role":"user","content":[{"text":"run: ls"},{"cachePoint":{}}]}]` + tools + `}`, 200, `\"command\":\"ls\"`},
		"result of a tool": {path, `{"messages":[{"role":"user","content":[{"text":"run: ls"}]},{"role":"user","content":[{"toolResult":{}}]}]` + tools + `}`, 200, standin.Done},
		"failure":          {path, `{"messages":[{"role":"user","content":[{"text":"fail: 400 ValidationException no money"}]}]}`, 400, "no money"},
		"another path":     {"/model/x/else", `{}`, 404, "has no"},
	} {
		book := new(standin.Book)
		s := httptest.NewServer(&bedrockstub.Server{Book: book})
		res, err := http.Post(s.URL+c.path, "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		s.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %d, %v, %q", name, res.StatusCode, err, text)
		}
		if c.path == path && book.Requests()[0].Model != "eu.x-v1:0" {
			t.Errorf("%s: %+v", name, book.Requests())
		}
		if c.status != 200 {
			continue
		}
		r := strings.NewReader(string(text))
		for d, n := eventstream.NewDecoder(), 0; ; n++ {
			if _, err := d.Decode(r, nil); errors.Is(err, io.EOF) && n >= 5 {
				break
			} else if err != nil {
				t.Fatalf("%s: message %d: %v", name, n, err)
			}
		}
	}
}
