//go:build bench

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/schemas/sidecar"
)

const (
	bareName = "bare server"
	agent    = "lead"

	// Names of what this program is for itself.
	echoName  = "echo-server"
	relayName = "relay-server"
)

// subject is a way to the echo.
type subject struct {
	name    string
	bounded bool
	session *mcp.ClientSession
}

func (s *subject) call(ctx context.Context, n int) error {
	res, err := s.session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello", "n": n}})
	if err == nil && (res.IsError || len(res.Content) != 1) {
		err = fmt.Errorf("got %+v", res)
	}
	return err
}

// lab has the programs under test, and the sockets of a sidecar.
type lab struct {
	dir     string // on tmpfs
	self    string
	journal *net.UnixConn
	running []*exec.Cmd
	files   []*os.File
	address string
}

func newLab() (*lab, error) {
	dir, err := os.MkdirTemp("/dev/shm", "fleet-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	if l.self, err = os.Executable(); err != nil {
		return l, err
	}
	out, err := exec.Command("go", "build", "-o", l.path("fleet-sidecar"), "./cmd/fleet-sidecar").CombinedOutput()
	if err != nil {
		return l, fmt.Errorf("go build: %w\n%s", err, out)
	}
	if err := os.Symlink("fleet-sidecar", l.path("mcp-connect")); err != nil {
		return l, err
	}
	l.journal, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.path("journal"), Net: "unixgram"})
	if err != nil {
		return l, err
	}
	go func() {
		for buf := make([]byte, 64<<10); ; {
			if _, err := l.journal.Read(buf); err != nil {
				return
			}
		}
	}()
	return l, nil
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) close() {
	for _, c := range l.running {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	}
	for _, f := range l.files {
		f.Close()
	}
	if l.journal != nil {
		l.journal.Close()
	}
	os.RemoveAll(l.dir)
}

// subjects starts all of them; the bare server is the first.
func (l *lab) subjects(ctx context.Context) ([]subject, error) {
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	var out []subject
	for _, s := range []struct {
		name    string
		bounded bool
		t       mcp.Transport
	}{
		{bareName, false, &mcp.CommandTransport{Command: exec.Command(l.self, echoName)}},
		{"sidecar, stdio by its shim", true, &mcp.CommandTransport{Command: exec.Command(l.path("mcp-connect"), l.path("socket"))}},
		{"sidecar, streamable HTTP", true, &mcp.StreamableClientTransport{Endpoint: "http://" + l.address + "/mcp"}},
		{"relay of the SDK alone, stdio", false, &mcp.CommandTransport{Command: exec.Command(l.self, relayName)}},
	} {
		session, err := connect(ctx, s.t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		out = append(out, subject{s.name, s.bounded, session})
	}
	return out, nil
}

func connect(ctx context.Context, t mcp.Transport) (*mcp.ClientSession, error) {
	return mcp.NewClient(&mcp.Implementation{Name: "bench", Version: "1"}, nil).Connect(ctx, t, nil)
}

// start starts a sidecar as systemd does.
func (l *lab) start(ctx context.Context) error {
	config := &sidecar.Config{
		Version: sidecar.Version, Project: "bench", Name: "echo",
		Agents: []sidecar.Agent{{Key: agent, UID: 990, HTTP: sidecar.Socket(agent), Stdio: sidecar.Socket(agent)}},
		Tool: sidecar.Tool{
			Command: []string{l.self, echoName}, Secrets: []sidecar.Secret{{Name: "ECHO_TOKEN", Env: "ECHO_TOKEN"}},
		},
		Tools: []string{"echo"},
		Arguments: map[string]json.RawMessage{
			"echo": json.RawMessage(`{"properties":{"text":{"maxLength":100,"type":"string"}},"required":["text"],"type":"object"}`),
		},
		CallTimeout: "1m0s", MaxMessage: 4 << 20,
	}
	text, err := sidecar.Encode(config)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(l.path("config"), text, 0o600), os.Mkdir(l.path("credentials"), 0o700),
		os.WriteFile(l.path("credentials/ECHO_TOKEN"), []byte("a-value-of-a-secret"), 0o600)); err != nil {
		return err
	}
	if err := l.listen(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, l.path("fleet-sidecar"),
		"--config", l.path("config"), "--home", l.dir, "--runtime", l.dir, "--journal", l.path("journal"))
	cmd.Env = []string{
		"LISTEN_FDS=2", "LISTEN_FDNAMES=" + config.Agents[0].HTTP + ":" + config.Agents[0].Stdio,
		"CREDENTIALS_DIRECTORY=" + l.path("credentials"),
	}
	cmd.ExtraFiles, cmd.Stderr = l.files, os.Stderr
	l.running = append(l.running, cmd)
	return cmd.Start()
}

func (l *lab) listen() error {
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer tcp.Close()
	l.address = tcp.Addr().String()
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.path("socket"), Net: "unix"})
	if err != nil {
		return err
	}
	unix.SetUnlinkOnClose(false)
	defer unix.Close()
	for _, s := range []interface{ File() (*os.File, error) }{tcp, unix} {
		f, err := s.File()
		if err != nil {
			return err
		}
		l.files = append(l.files, f)
	}
	return nil
}

// echo is the server.
func echo() error {
	return echoServer(func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(r.Params.Arguments)}}}, nil
	}).Run(context.Background(), new(mcp.StdioTransport))
}

func echoServer(h mcp.ToolHandler) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "echo", Version: "1"}, nil)
	s.AddTool(&mcp.Tool{Name: "echo", InputSchema: map[string]any{"type": "object"}}, h)
	return s
}
