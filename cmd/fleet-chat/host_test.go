package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/internal/chatctl"
	"fleet/cmd/internal/daemon/daemontest"
	"fleet/schemas/chat"
)

// variable has the binary of these tests be the chat.
const variable = "TEST_CHAT"

// TestMain is the chat where a test started it.
func TestMain(m *testing.M) {
	if daemontest.Is(variable) {
		main()
	}
	os.Exit(m.Run())
}

// host plays systemd: it holds the sockets and starts the chat with them.
type host struct {
	*daemontest.Host
	config chat.Config
	ports  map[string]string // address of each agent's HTTP
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newHost has a chat on this host alone. What stands behind a slash are the channels that an agent sees, parted by commas.
func newHost(t testing.TB, agents ...string) *host {
	t.Helper()
	h := &host{Host: daemontest.New(t, variable), ports: map[string]string{}}
	h.config = chat.Config{
		Version: chat.Version, Project: "demo", Backend: chat.Backend{Kind: chat.Local},
		Channels: []chat.Channel{
			{Key: chat.Alerts}, {Key: chat.General}, {Key: "lead"}, {Key: chat.Lessons}, {Key: "secret"}, {Key: chat.Tasks},
		},
		Limits: chat.Limits{
			Message: 4096, PostsPerMinute: chat.MaxPostsPerMinute, KeepMessages: 1_000_000, KeepFor: "720h0m0s",
			KeepTasks: 1000, KeepLessons: 100,
		},
	}
	for _, agent := range agents {
		key, bounds, bounded := strings.Cut(agent, "/")
		a := chat.Agent{Key: key, HTTP: "http-" + key, Stdio: "stdio-" + key, Wake: h.Dir + "/wake-" + key}
		if bounded {
			a.Channels = strings.Split(bounds, ",")
		}
		if key == "lead" {
			a.Channel = "lead"
		}
		check(t, os.Mkdir(a.Wake, 0o755))
		h.config.Agents = append(h.config.Agents, a)
		h.ports[key] = h.KeepTCP(a.HTTP)
		h.KeepUnix(key, a.Stdio)
	}
	h.KeepUnix("control", chat.ControlSocket)
	check(t, os.Mkdir(h.Dir+"/state", 0o700))
	return h
}

func (h *host) socket(agent string) string { return h.Dir + "/" + agent }

// start starts the chat and waits until it is ready.
func (h *host) start(args ...string) {
	h.T.Helper()
	h.run(args...)
	h.Said("READY=1")
}

func (h *host) run(args ...string) {
	h.T.Helper()
	b, err := chat.Encode(&h.config)
	check(h.T, err)
	check(h.T, os.WriteFile(h.Dir+"/chat.json", b, 0o644))
	h.Run(append([]string{"--config", h.Dir + "/chat.json", "--state", h.Dir + "/state"}, args...)...)
}

// operator is a client of the control socket.
func (h *host) operator() *chatctl.Client { return chatctl.New(h.socket("control")) }

// unix is the transport of a stdio server on a Unix socket.
type unix string

func (u unix) Connect(ctx context.Context) (mcp.Connection, error) {
	c, err := net.Dial("unix", string(u))
	if err != nil {
		return nil, err
	}
	return (&mcp.IOTransport{Reader: c, Writer: c}).Connect(ctx)
}

// transports are the ways to the chat.
var transports = map[string]func(h *host, agent string) mcp.Transport{
	"http": func(h *host, agent string) mcp.Transport {
		return &mcp.StreamableClientTransport{Endpoint: "http://" + h.ports[agent] + "/mcp", MaxRetries: -1}
	},
	"stdio": func(h *host, agent string) mcp.Transport { return unix(h.socket(agent)) },
}

// connect begins a session with the official SDK's client.
func (h *host) connect(transport, agent string) *mcp.ClientSession {
	h.T.Helper()
	cs, err := h.try(transport, agent)
	check(h.T, err)
	h.T.Cleanup(func() { cs.Close() })
	return cs
}

func (h *host) try(transport, agent string) (*mcp.ClientSession, error) {
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	return c.Connect(ctx, transports[transport](h, agent), nil)
}

type object = map[string]any

// call calls a tool and returns what it says, as JSON.
func call(cs *mcp.ClientSession, tool string, arguments any) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	res, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	if res.IsError {
		return "", fmt.Errorf("refused: %s", res.Content[0].(*mcp.TextContent).Text)
	}
	b, err := json.Marshal(res.StructuredContent)
	return string(b), err
}

// must calls a tool and reads its result.
func must[T any](t testing.TB, cs *mcp.ClientSession, tool string, arguments any) (out T) {
	t.Helper()
	text, err := call(cs, tool, arguments)
	if err != nil {
		t.Fatalf("%s %v: %v", tool, arguments, err)
	}
	check(t, json.Unmarshal([]byte(text), &out))
	return out
}

// fails calls a tool, which must end in an error with this text.
func fails(t testing.TB, cs *mcp.ClientSession, tool string, arguments any, want string) {
	t.Helper()
	if text, err := call(cs, tool, arguments); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s %.200v: got %.200q, %.500v, want %q", tool, arguments, text, err, want)
	}
}

// ask sends a body as it is to an agent's HTTP, and returns the answer's and its headers.
func (h *host) ask(ctx context.Context, agent, body string, header http.Header) (string, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.ports[agent]+"/mcp", strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), resp.Header, err
}
