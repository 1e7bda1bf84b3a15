//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/fleet-chat/internal/wake"
	"fleet/schemas/chat"
)

// text is what agents say here, of a usual length.
const text = "The parser is mended: it took an empty line for the end. The test that failed in CI passes now, ten times out of ten."

func (l *lab) open() (err error) {
	if l.dir, err = os.MkdirTemp(l.dir, "fleet-bench-"); err != nil {
		return err
	}
	if err := onDisk(l.dir); err != nil {
		return err
	}
	l.daemon = filepath.Join(l.dir, "fleet-chat")
	out, err := exec.Command("go", "build", "-o", l.daemon, "./cmd/fleet-chat").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// folder makes a new folder.
func (l *lab) folder() (string, error) { return os.MkdirTemp(l.dir, "state-") }

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// config is a chat of so many agents, each of which may write so often in a minute.
func config(agents, perMinute int) *chat.Config {
	c := &chat.Config{
		Version: chat.Version, Project: "bench", Backend: chat.Backend{Kind: chat.Local},
		Limits: chat.Limits{
			Message: 16 << 10, PostsPerMinute: perMinute, KeepMessages: chat.MaxKeep, KeepFor: (30 * 24 * time.Hour).String(),
			KeepTasks: chat.MaxKeepTasks, KeepLessons: chat.MaxLessons,
		},
	}
	for _, key := range []string{chat.Alerts, chat.General, chat.Lessons, chat.Tasks} {
		c.Channels = append(c.Channels, chat.Channel{Key: key})
	}
	for i := range agents {
		key := fmt.Sprintf("a%03d", i)
		c.Agents = append(c.Agents, chat.Agent{Key: key, Stdio: chat.Socket(key), HTTP: chat.Socket(key)})
	}
	return c
}

// inside is a hub in this process.
type inside struct {
	*hub.Hub
	store *store.Store
}

func openInside(dir string, c *chat.Config) (*inside, error) {
	s, err := store.Open(dir, c)
	if err != nil {
		return nil, err
	}
	return &inside{hub.New(hub.Options{Config: c, Store: s, Wake: wake.New(c), Log: quiet()}), s}, nil
}

// process is a daemon, as systemd starts it, and the sessions of its agents.
type process struct {
	cmd         *exec.Cmd
	dir         string
	stdio, http []*mcp.ClientSession // of each agent
	addresses   []string
}

// start starts a daemon, and connects each agent.
func (l *lab) start(ctx context.Context, dir string, c *chat.Config, http bool) (p *process, err error) {
	p = &process{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.end())
		}
	}()
	encoded, err := chat.Encode(c)
	if err != nil {
		return p, err
	}
	path := filepath.Join(dir, chat.FileName)
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		return p, err
	}
	files, names, err := p.bind(c)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return p, err
	}
	p.cmd = exec.CommandContext(ctx, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, l.daemon, "--config", path, "--state", dir)
	p.cmd.Env = []string{fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES=" + strings.Join(names, ":")}
	p.cmd.ExtraFiles, p.cmd.Stderr = files, os.Stderr
	if err := p.cmd.Start(); err != nil {
		return p, err
	}
	return p, p.connect(ctx, c, http)
}

func (p *process) bind(c *chat.Config) (files []*os.File, names []string, err error) {
	keep := func(l interface{ File() (*os.File, error) }, name string) error {
		f, err := l.File()
		files, names = append(files, f), append(names, name)
		return err
	}
	unix := func(path, name string) error {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		s, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return err
		}
		defer s.Close()
		s.SetUnlinkOnClose(false)
		return keep(s, name)
	}
	if err := unix(filepath.Join(p.dir, "control"), chat.ControlSocket); err != nil {
		return files, names, err
	}
	for _, a := range c.Agents {
		if err := unix(p.socket(a.Key), a.Stdio); err != nil {
			return files, names, err
		}
		t, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return files, names, err
		}
		p.addresses = append(p.addresses, t.Addr().String())
		err = keep(t, a.HTTP)
		t.Close()
		if err != nil {
			return files, names, err
		}
	}
	return files, names, nil
}

func (p *process) socket(key string) string { return filepath.Join(p.dir, key) }

// connect begins a session of each agent, over its Unix socket as a stdio shim does, and over HTTP where it is wanted.
func (p *process) connect(ctx context.Context, c *chat.Config, http bool) error {
	begin := func(t mcp.Transport) (*mcp.ClientSession, error) {
		return mcp.NewClient(&mcp.Implementation{Name: "bench", Version: "1"}, nil).Connect(ctx, t, nil)
	}
	for i, a := range c.Agents {
		conn, err := net.Dial("unix", p.socket(a.Key))
		if err != nil {
			return err
		}
		s, err := begin(&mcp.IOTransport{Reader: conn, Writer: conn})
		if err != nil {
			return err
		}
		p.stdio = append(p.stdio, s)
		if !http {
			continue
		}
		if s, err = begin(&mcp.StreamableClientTransport{Endpoint: "http://" + p.addresses[i] + "/mcp"}); err != nil {
			return err
		}
		p.http = append(p.http, s)
	}
	return nil
}

// call calls a tool.
func call(ctx context.Context, s *mcp.ClientSession, name string, in map[string]any) (*mcp.CallToolResult, error) {
	res, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: in})
	if err == nil && res.IsError {
		err = fmt.Errorf("%s: %s", name, words(res))
	}
	return res, err
}

func words(res *mcp.CallToolResult) string {
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			return t.Text
		}
	}
	return ""
}

// end ends the daemon.
func (p *process) end() error {
	for _, s := range append(p.stdio, p.http...) {
		s.Close()
	}
	if p.cmd == nil || p.cmd.Process == nil {
		return nil
	}
	return errors.Join(p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Wait())
}

// together has so many workers do something until it is over, or one fails.
func together(n int, f func(worker int) error) error {
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
