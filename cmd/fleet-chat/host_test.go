package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// TestMain is the chat where a test started it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_CHAT") != "" {
		os.Unsetenv("TEST_CHAT")
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		main()
	}
	os.Exit(m.Run())
}

// atOnce has a program with the race detector end when it ends, and not a second later.
const atOnce = "GORACE=atexit_sleep_ms=0"

// host plays systemd: it holds the sockets and starts the chat with them.
type host struct {
	t      testing.TB
	dir    string
	config chat.Config
	files  []*os.File
	names  []string
	ports  map[string]string // address of each agent's HTTP
	notify *net.UnixConn
	stderr output
	cmd    *exec.Cmd
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
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
	h := &host{t: t, dir: t.TempDir(), ports: map[string]string{}}
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
		a := chat.Agent{Key: key, HTTP: "http-" + key, Stdio: "stdio-" + key, Wake: h.dir + "/wake-" + key}
		if bounded {
			a.Channels = strings.Split(bounds, ",")
		}
		if key == "lead" {
			a.Channel = "lead"
		}
		check(t, os.Mkdir(a.Wake, 0o755))
		h.config.Agents = append(h.config.Agents, a)
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		check(t, err)
		h.ports[key] = tcp.Addr().String()
		h.keep(tcp, a.HTTP)
		h.listen(key, a.Stdio)
	}
	h.listen("control", chat.ControlSocket)
	var err error
	h.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.dir + "/notify", Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { h.notify.Close() })
	check(t, os.Mkdir(h.dir+"/state", 0o700))
	return h
}

func (h *host) listen(file, name string) {
	h.t.Helper()
	local, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket(file), Net: "unix"})
	check(h.t, err)
	local.SetUnlinkOnClose(false)
	h.keep(local, name)
}

func (h *host) socket(agent string) string { return h.dir + "/" + agent }

func (h *host) keep(s interface {
	File() (*os.File, error)
	Close() error
}, name string,
) {
	h.t.Helper()
	f, err := s.File()
	check(h.t, err)
	s.Close()
	h.files, h.names = append(h.files, f), append(h.names, name)
	h.t.Cleanup(func() { f.Close() })
}

// start starts the chat and waits until it is ready.
func (h *host) start(args ...string) {
	h.t.Helper()
	h.run(args...)
	h.said("READY=1")
}

func (h *host) run(args ...string) {
	h.t.Helper()
	b, err := chat.Encode(&h.config)
	check(h.t, err)
	check(h.t, os.WriteFile(h.dir+"/chat.json", b, 0o644))
	h.cmd = exec.Command(os.Args[0], append([]string{"--config", h.dir + "/chat.json", "--state", h.dir + "/state"}, args...)...)
	h.cmd.Env = []string{
		"TEST_CHAT=1", atOnce, "LISTEN_FDS=" + strconv.Itoa(len(h.files)), "LISTEN_FDNAMES=" + strings.Join(h.names, ":"),
		"NOTIFY_SOCKET=" + h.dir + "/notify",
	}
	h.cmd.ExtraFiles = h.files
	h.cmd.Stderr = &h.stderr
	check(h.t, h.cmd.Start())
	cmd := h.cmd
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("the chat said:\n%s", h.stderr.String())
		}
	})
}

// said waits for a notification with this line.
func (h *host) said(line string) {
	h.t.Helper()
	buf := make([]byte, 4096)
	h.notify.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		n, err := h.notify.Read(buf)
		if err != nil {
			h.t.Fatalf("no %q; %s", line, h.stderr.String())
		}
		if strings.Contains("\n"+string(buf[:n])+"\n", "\n"+line+"\n") {
			return
		}
	}
}

// exit waits for the end and returns the status.
func (h *host) exit() int {
	h.t.Helper()
	timer := time.AfterFunc(30*time.Second, func() { h.cmd.Process.Kill() })
	defer timer.Stop()
	h.cmd.Wait()
	return h.cmd.ProcessState.ExitCode()
}

func (h *host) kill() {
	h.cmd.Process.Kill()
	h.cmd.Wait()
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
	h.t.Helper()
	cs, err := h.try(transport, agent)
	check(h.t, err)
	h.t.Cleanup(func() { cs.Close() })
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
