package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/schemas/sidecar"
)

// remote is a server of the official SDK that is reached over HTTP.
type remote struct {
	*httptest.Server
	handler atomic.Pointer[http.Handler]
	seen    chan http.Header
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{seen: make(chan http.Header, 1000)}
	r.reset()
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.seen <- req.Header
		(*r.handler.Load()).ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	t.Cleanup(r.CloseClientConnections)
	return r
}

// reset begins anew, as a server that was restarted does: no session is known.
func (r *remote) reset() {
	s := mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "2"}, nil)
	add := func(name string, h func(ctx context.Context, r *mcp.CallToolRequest) (string, error)) {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: object{"type": "object"}}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			text, err := h(ctx, r)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, err
		})
	}
	add("echo", func(_ context.Context, r *mcp.CallToolRequest) (string, error) {
		return string(r.Params.Arguments), nil
	})
	add("leak", func(_ context.Context, r *mcp.CallToolRequest) (string, error) {
		return r.Extra.Header.Get("Authorization"), nil
	})
	add("huge", func(context.Context, *mcp.CallToolRequest) (string, error) { return strings.Repeat("x", 1<<20), nil })
	add("hang", func(ctx context.Context, _ *mcp.CallToolRequest) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	add("progress", func(ctx context.Context, r *mcp.CallToolRequest) (string, error) {
		return "done", r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: r.Params.GetProgressToken(), Progress: 1, Message: "half",
		})
	})
	var h http.Handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
	r.handler.Store(&h)
}

func remoteHost(t *testing.T, url string, secret sidecar.Secret) *host {
	t.Helper()
	h := newHost(t, "lead")
	secret.Name = "STUB_TOKEN"
	h.config.Tool = sidecar.Tool{URL: url, Secrets: []sidecar.Secret{secret}}
	h.config.CallTimeout = "2s"
	h.secret("STUB_TOKEN", "s3nary-bearer-value\n")
	return h
}

func TestRemoteTool(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	h := remoteHost(t, r.URL+"/mcp", sidecar.Secret{Bearer: true})
	h.start()
	told := make(chan string, 9)
	cs := h.connect("stdio", "lead", &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			told <- fmt.Sprint(r.Params.ProgressToken, r.Params.Message)
		},
	})
	if got := mustCall(t, cs, "echo", object{"a": 1}); got != `{"a":1}` {
		t.Errorf("got %s", got)
	}
	if got := mustCall(t, cs, "leak", nil); got != "Bearer [secret STUB_TOKEN]" {
		t.Errorf("got %s", got)
	}
	params := &mcp.CallToolParams{Name: "progress"}
	params.SetProgressToken(int64(5))
	_, err := cs.CallTool(t.Context(), params)
	check(t, err)
	select {
	case got := <-told:
		if got != "5half" {
			t.Errorf("got %s", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("no progress")
	}
	fails(t, cs, "huge", nil, "the tool ")
	eventually(t, "nothing works any more", func() bool { _, err := call(cs, "echo", nil); return err == nil })
	fails(t, cs, "hang", nil, "the tool gave no answer within 2s")
	mustCall(t, cs, "echo", nil)
	r.reset()
	eventually(t, "no new session is begun", func() bool { _, err := call(cs, "echo", nil); return err == nil })
	close(r.seen)
	n := 0
	for header := range r.seen {
		if header.Get("Authorization") != "Bearer s3nary-bearer-value" {
			t.Errorf("request %d has %q", n, header.Get("Authorization"))
		}
		if n > 0 && header.Get("Mcp-Protocol-Version") == "" && header.Get("Mcp-Session-Id") != "" {
			t.Errorf("request %d names no version", n)
		}
		n++
	}
}

// Whatever a server over HTTP does, the agent has a clear error in time, and the secret goes nowhere else.
func TestHostileRemote(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with %q", r.Header.Get("X-Key"))
	}))
	t.Cleanup(elsewhere.Close)
	for name, serve := range map[string]http.HandlerFunc{
		"refused": nil,
		"500":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) },
		"401": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "key "+r.Header.Get("X-Key"), http.StatusUnauthorized)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"html": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>")
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for {
				if _, err := fmt.Fprint(w, strings.Repeat("{", 4096)); err != nil {
					return
				}
			}
		},
		"endless events": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for {
				if _, err := fmt.Fprint(w, "data: ", strings.Repeat("{", 4096)); err != nil {
					return
				}
			}
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // so that the end of the connection is seen
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Second):
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := "http://127.0.0.1:1/mcp"
			if serve != nil {
				s := httptest.NewServer(serve)
				t.Cleanup(s.Close)
				t.Cleanup(s.CloseClientConnections)
				url = s.URL
			}
			h := remoteHost(t, url, sidecar.Secret{Header: "X-Key"})
			h.start("--ready", "2s")
			began := time.Now()
			_, err := h.try("http", "lead", nil)
			want := "the tool "
			if name == "endless" {
				want = "a message has more than 65536 bytes"
			}
			if err == nil || !strings.Contains(err.Error(), want) || time.Since(began) > 10*time.Second {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
			if said := h.Stderr.String(); strings.Contains(said, "s3nary") || err != nil && strings.Contains(err.Error(), "s3nary") {
				t.Errorf("the value is told: %v, %s", err, said)
			}
		})
	}
}
