package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-sidecar/internal/toolstub"
	"fleet/cmd/internal/spool/spooltest"
	"fleet/schemas/sidecar"
)

// TestMain is the sidecar, the shim or the tool where a test started it.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(toolstub.Variable) != "":
		toolstub.Main()
		return
	case os.Getenv("TEST_PREPARE") != "":
		err := prepare(options{})
		dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		fmt.Println(dumpable, err)
		return
	case os.Getenv("TEST_SIDECAR") != "":
		os.Unsetenv("TEST_SIDECAR")
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		main()
	}
	os.Exit(m.Run())
}

const canary = `ghp_S3nary/+"Value"&0123456789`

// atOnce has a program with the race detector end when it ends, and not a second later.
const atOnce = "GORACE=atexit_sleep_ms=0"

// host plays systemd: it holds the sockets and starts sidecars with them.
type host struct {
	t       *testing.T
	dir     string
	config  sidecar.Config
	files   []*os.File
	names   []string
	ports   map[string]string // address of each agent's HTTP
	notify  *net.UnixConn
	journal *spooltest.Journal
	records chan map[string]string
	stderr  output
	cmd     *exec.Cmd
	env     []string
	extra   []*os.File // that nobody knows of
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

// newHost has a tool for the agents, which has a secret.
func newHost(t *testing.T, agents ...string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), ports: map[string]string{}, journal: spooltest.Listen(t)}
	program, err := os.Executable()
	check(t, err)
	h.config = sidecar.Config{
		Version: sidecar.Version, Project: "demo", Name: "stub",
		Tool: sidecar.Tool{
			Command: []string{program}, Env: map[string]string{toolstub.Variable: toolstub.Good, "GORACE": strings.TrimPrefix(atOnce, "GORACE=")},
			Secrets: []sidecar.Secret{{Name: "STUB_TOKEN", Env: "TOKEN"}},
		},
		CallTimeout: "10s", MaxMessage: 64 << 10,
	}
	for i, key := range agents {
		h.config.Agents = append(h.config.Agents, sidecar.Agent{
			Key: key, UID: int64(990 + i), HTTP: sidecar.Socket(key), Stdio: sidecar.Socket(key),
		})
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		check(t, err)
		h.ports[key] = tcp.Addr().String()
		h.keep(tcp, sidecar.Socket(key))
		local, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket(key), Net: "unix"})
		check(t, err)
		local.SetUnlinkOnClose(false)
		h.keep(local, sidecar.Socket(key))
	}
	h.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.dir + "/notify", Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { h.notify.Close() })
	h.records = make(chan map[string]string, 10_000)
	go h.collect()
	check(t, os.Mkdir(h.dir+"/credentials", 0o700))
	h.secret("STUB_TOKEN", canary)
	check(t, os.Symlink(program, h.dir+"/mcp-connect"))
	return h
}

func (h *host) secret(name, value string) {
	h.t.Helper()
	check(h.t, os.WriteFile(h.dir+"/credentials/"+name, []byte(value), 0o600))
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

// start starts a sidecar and waits until it is ready.
func (h *host) start(args ...string) {
	h.t.Helper()
	h.run(args...)
	h.said("READY=1")
}

func (h *host) run(args ...string) {
	h.t.Helper()
	b, err := sidecar.Encode(&h.config)
	check(h.t, err)
	check(h.t, os.WriteFile(h.dir+"/sidecar.json", b, 0o644))
	h.cmd = exec.Command(os.Args[0], append([]string{
		"--config", h.dir + "/sidecar.json", "--home", h.dir, "--runtime", h.journal.Dir(), "--journal", h.journal.Path,
	}, args...)...)
	h.cmd.Env = append([]string{
		"TEST_SIDECAR=1", atOnce, "LISTEN_FDS=" + strconv.Itoa(len(h.files)), "LISTEN_FDNAMES=" + strings.Join(h.names, ":"),
		"NOTIFY_SOCKET=" + h.dir + "/notify", "CREDENTIALS_DIRECTORY=" + h.dir + "/credentials", "SIDECAR_OWN=only-the-daemon",
	}, h.env...)
	h.cmd.ExtraFiles = slices.Concat(h.files, h.extra)
	h.cmd.Stderr = &h.stderr
	check(h.t, h.cmd.Start())
	cmd := h.cmd
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("the sidecar said:\n%s", h.stderr.String())
		}
	})
}

// said waits for a notification with this line.
func (h *host) said(line string) {
	h.t.Helper()
	buf := make([]byte, 4096)
	h.notify.SetReadDeadline(time.Now().Add(20 * time.Second))
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
	timer := time.AfterFunc(20*time.Second, func() { h.cmd.Process.Kill() })
	defer timer.Stop()
	h.cmd.Wait()
	return h.cmd.ProcessState.ExitCode()
}

// collect reads the journal until the test has ended.
func (h *host) collect() {
	for h.t.Context().Err() == nil {
		if r := h.journal.Next(); r != nil {
			h.records <- r
		}
	}
}

// record waits for the next record of a call that ended or was refused.
func (h *host) record() map[string]string {
	h.t.Helper()
	for {
		select {
		case r := <-h.records:
			if r["FLEET_RESULT"] != "" || r["FLEET_REASON"] != "" {
				return r
			}
		case <-time.After(10 * time.Second):
			h.t.Fatal("no record")
		}
	}
}

// transports are the ways to the sidecar.
var transports = map[string]func(h *host, agent string) mcp.Transport{
	"http": func(h *host, agent string) mcp.Transport {
		return &mcp.StreamableClientTransport{Endpoint: "http://" + h.ports[agent] + "/mcp"}
	},
	"stdio": func(h *host, agent string) mcp.Transport {
		shim := exec.Command(h.dir+"/mcp-connect", h.socket(agent))
		shim.Env, shim.Stderr = []string{"TEST_SIDECAR=1", atOnce}, &h.stderr
		return &mcp.CommandTransport{Command: shim}
	},
}

// connect begins a session with the official SDK's client.
func (h *host) connect(transport, agent string, o *mcp.ClientOptions) *mcp.ClientSession {
	h.t.Helper()
	cs, err := h.try(transport, agent, o)
	check(h.t, err)
	return cs
}

func (h *host) try(transport, agent string, o *mcp.ClientOptions) (*mcp.ClientSession, error) {
	h.t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	cs, err := c.Connect(h.t.Context(), transports[transport](h, agent), nil)
	if err == nil {
		h.t.Cleanup(func() { cs.Close() })
	}
	return cs, err
}

// each runs a test over each transport, with a sidecar of its own.
func each(t *testing.T, prepare func(h *host), f func(t *testing.T, h *host, transport string)) {
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "lead")
			if prepare != nil {
				prepare(h)
			}
			h.start()
			f(t, h, transport)
		})
	}
}

type object = map[string]any

// call calls a tool and returns the text of its result.
func call(cs *mcp.ClientSession, tool string, arguments any) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	res, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	text := ""
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			text += t.Text
		}
	}
	return text, nil
}

func mustCall(t *testing.T, cs *mcp.ClientSession, tool string, arguments any) string {
	t.Helper()
	text, err := call(cs, tool, arguments)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return text
}

// fails calls a tool, which must end in an error with this text.
func fails(t *testing.T, cs *mcp.ClientSession, tool string, arguments any, want string) {
	t.Helper()
	text, err := call(cs, tool, arguments)
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
		t.Errorf("%s: got %.200q, %v, want %q", tool, text, err, want)
	}
}

// post sends a body as it is to an agent's HTTP.
func (h *host) post(agent, body string, header http.Header) (int, string, http.Header) {
	h.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+h.ports[agent]+"/mcp", strings.NewReader(body))
	check(h.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, values := range header {
		r.Header[name] = values
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	resp, err := http.DefaultClient.Do(r)
	check(h.t, err)
	defer resp.Body.Close()
	var b bytes.Buffer
	b.ReadFrom(resp.Body)
	return resp.StatusCode, b.String(), resp.Header
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// children are the processes that the sidecar has started.
func (h *host) children() []string {
	pid := strconv.Itoa(h.cmd.Process.Pid)
	var all []string
	tasks, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, file := range tasks {
		b, _ := os.ReadFile(file)
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

func (h *host) pid() string { return strconv.Itoa(h.cmd.Process.Pid) }

// begin begins a session over HTTP by hand and returns the headers of its requests.
func (h *host) begin(agent string) http.Header {
	h.t.Helper()
	status, body, header := h.post(agent, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
		`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`, nil)
	if status != http.StatusOK || header.Get("Mcp-Session-Id") == "" {
		h.t.Fatalf("%d: %s", status, body)
	}
	return http.Header{"Mcp-Session-Id": header["Mcp-Session-Id"]}
}
