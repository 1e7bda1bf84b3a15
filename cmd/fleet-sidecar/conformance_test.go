package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet-sidecar/internal/toolstub"
)

func TestInitialize(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		want := `{"capabilities":{"logging":{},"tools":{"listChanged":true}},"instructions":"use it well",` +
			`"protocolVersion":"2025-11-25","serverInfo":{"name":"stub","version":"7"}}`
		if got := mustJSON(cs.InitializeResult()); got != want {
			t.Errorf("got %s", got)
		}
		check(t, cs.Ping(t.Context(), nil))
		// Nothing but tools passes.
		for method, err := range map[string]error{
			"resources/list": second(cs.ListResources(t.Context(), nil)),
			"prompts/list":   second(cs.ListPrompts(t.Context(), nil)),
			"resources/read": second(cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "file:///etc/passwd"})),
		} {
			var refused *jsonrpc.Error
			if !errors.As(err, &refused) || refused.Code != jsonrpc.CodeMethodNotFound {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestListAndCall(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		list, err := cs.ListTools(t.Context(), nil)
		check(t, err)
		var names []string
		for _, tool := range list.Tools {
			names = append(names, tool.Name)
		}
		if d := cmp.Diff(toolstub.Tools, names); d != "" || list.Meta != nil {
			t.Error(d, list.Meta)
		}
		if got := mustCall(t, cs, "echo", json.RawMessage(` { "b": 1, "a": "<é&>" } `)); got != `{"a":"<é&>","b":1}` {
			t.Errorf("got %s", got)
		}
		if got := mustCall(t, cs, "echo", nil); got != `{}` {
			t.Errorf("got %s", got)
		}
		res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "fail"})
		check(t, err)
		if !res.IsError {
			t.Error("the tool's own failure is none")
		}
		var said *jsonrpc.Error
		_, err = call(cs, "error", nil)
		if !errors.As(err, &said) || said.Code != -32042 || said.Message != "bad [secret STUB_TOKEN]" ||
			string(said.Data) != `{"key":"[secret STUB_TOKEN]"}` {
			t.Errorf("got %v", err)
		}
		for range 100 {
			mustCall(t, cs, "echo", nil)
		}
	})
}

// What a later version of the protocol has passes unread, and numbers stay what they are.
func TestResultsAreNotReadAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	session := h.begin("lead")
	_, body, _ := h.post("lead", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"numbers"}}`, session)
	want := `{"content":[{"type":"hologram","x":1}],"structuredContent":{"n":12345678901234567890}}`
	if !strings.Contains(body, want) {
		t.Errorf("got %s", body)
	}
	_, body, _ = h.post("lead", `{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{}}`, session)
	if !strings.Contains(body, `"x-unknown":12345678901234567`) {
		t.Errorf("got %s", body)
	}
}

func TestProgress(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		told := make(chan string, 9)
		cs := h.connect(transport, "lead", &mcp.ClientOptions{
			ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
				p := r.Params
				told <- mustJSON([]any{p.ProgressToken, p.Progress, p.Total, p.Message})
			},
		})
		params := &mcp.CallToolParams{Name: "progress", Arguments: object{"n": 3, "text": "with " + canary}}
		params.SetProgressToken("mine")
		_, err := cs.CallTool(t.Context(), params)
		check(t, err)
		for _, want := range []string{
			`["mine",1,3,"with [secret STUB_TOKEN]"]`, `["mine",2,3,"with [secret STUB_TOKEN]"]`, `["mine",3,3,"with [secret STUB_TOKEN]"]`,
		} {
			select {
			case got := <-told:
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("too little was told")
			}
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: "hang"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if r := h.record(); r["FLEET_TOOL"] != "hang" || r["FLEET_RESULT"] != "cancelled" {
			t.Errorf("got %v", r)
		}
		eventually(t, "the tool was not told", func() bool { return mustCall(t, cs, "cancelled", nil) == "1" })
	})
}

func eventually(t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// What the server asks of its clients no agent hears of.
func TestToolsAskNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	cs := h.connect("stdio", "lead", nil)
	if got := mustCall(t, cs, "ask", nil); got != "-32601 -32601 -32601" {
		t.Errorf("got %s", got)
	}
}

func TestOversizedFromTheAgent(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		_, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: object{"text": strings.Repeat("x", 70<<10)}})
		if err == nil || ctx.Err() != nil {
			t.Fatalf("got %v", err)
		}
		// Over HTTP the SDK's client gives the session up then; over stdio it goes on.
		if transport == "http" {
			cs = h.connect(transport, "lead", nil)
		}
		mustCall(t, cs, "echo", object{"text": strings.Repeat("x", 40<<10)})
	})
}
