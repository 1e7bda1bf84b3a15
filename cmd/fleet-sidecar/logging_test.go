//nolint:staticcheck // deprecated for later versions of the protocol than those that begin with initialize
package main

import (
	"context"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestLogAndChanges(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		said, changed := make(chan string, 9), make(chan bool, 9)
		cs := h.connect(transport, "lead", &mcp.ClientOptions{
			LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) {
				said <- string(r.Params.Level) + mustJSON(r.Params.Data)
			},
			ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- true },
		})
		check(t, cs.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "warning"}))
		if err := cs.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "loud"}); err == nil {
			t.Error("a level that is none")
		}
		mustCall(t, cs, "log", object{"level": "info", "text": "too little"})
		mustCall(t, cs, "log", object{"level": "error", "text": "enough"})
		mustCall(t, cs, "changed", nil)
		fails(t, cs, "crash", nil, "has ended")
		eventually(t, "a tool that is started again does not know the level", func() bool {
			got, err := call(cs, "level", nil)
			return err == nil && got == `{"level":"warning"}`
		})
		select {
		case got := <-said:
			if got != `error{"said":"enough","secret":"[secret STUB_TOKEN]"}` {
				t.Errorf("got %s", got)
			}
		case <-time.After(10 * time.Second):
			t.Error("no message of the log")
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Error("no change of the list")
		}
	})
}
