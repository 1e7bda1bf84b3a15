package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-sidecar/internal/toolstub"
	"fleet/cmd/internal/daemon/daemontest"
	"fleet/cmd/internal/spool/spooltest"
	"fleet/schemas/sidecar"
)

// variable has the binary of these tests be the sidecar.
const variable = "TEST_SIDECAR"

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
	case daemontest.Is(variable):
		main()
	}
	os.Exit(m.Run())
}

const canary = `ghp_S3nary/+"Value"&0123456789`

// host plays systemd: it holds the sockets and starts sidecars with them.
type host struct {
	*daemontest.Host
	config  sidecar.Config
	ports   map[string]string // address of each agent's HTTP
	journal *spooltest.Journal
	records chan map[string]string
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
	h := &host{Host: daemontest.New(t, variable), ports: map[string]string{}, journal: spooltest.Listen(t)}
	program, err := os.Executable()
	check(t, err)
	h.config = sidecar.Config{
		Version: sidecar.Version, Project: "demo", Name: "stub",
		Tool: sidecar.Tool{
			Command: []string{program}, Env: map[string]string{toolstub.Variable: toolstub.Good, "GORACE": strings.TrimPrefix(daemontest.AtOnce, "GORACE=")},
			Secrets: []sidecar.Secret{{Name: "STUB_TOKEN", Env: "TOKEN"}},
		},
		CallTimeout: "10s", MaxMessage: 64 << 10,
	}
	for i, key := range agents {
		h.config.Agents = append(h.config.Agents, sidecar.Agent{
			Key: key, UID: int64(990 + i), HTTP: sidecar.Socket(key), Stdio: sidecar.Socket(key),
		})
		h.ports[key] = h.KeepTCP(sidecar.Socket(key))
		h.KeepUnix(key, sidecar.Socket(key))
	}
	h.records = make(chan map[string]string, 10_000)
	go h.collect()
	check(t, os.Mkdir(h.Dir+"/credentials", 0o700))
	h.secret("STUB_TOKEN", canary)
	check(t, os.Symlink(program, h.Dir+"/mcp-connect"))
	return h
}

func (h *host) secret(name, value string) {
	h.T.Helper()
	check(h.T, os.WriteFile(h.Dir+"/credentials/"+name, []byte(value), 0o600))
}

func (h *host) socket(agent string) string { return h.Dir + "/" + agent }

// start starts a sidecar and waits until it is ready.
func (h *host) start(args ...string) {
	h.T.Helper()
	h.run(args...)
	h.Said("READY=1")
}

func (h *host) run(args ...string) {
	h.T.Helper()
	b, err := sidecar.Encode(&h.config)
	check(h.T, err)
	check(h.T, os.WriteFile(h.Dir+"/sidecar.json", b, 0o644))
	h.Env = append(h.Env, "CREDENTIALS_DIRECTORY="+h.Dir+"/credentials", "SIDECAR_OWN=only-the-daemon")
	h.Run(append([]string{
		"--config", h.Dir + "/sidecar.json", "--home", h.Dir, "--runtime", h.journal.Dir(), "--journal", h.journal.Path,
	}, args...)...)
}

// collect reads the journal until the test has ended.
func (h *host) collect() {
	for h.T.Context().Err() == nil {
		if r := h.journal.Next(); r != nil {
			h.records <- r
		}
	}
}

// record waits for the next record of a call that ended or was refused.
func (h *host) record() map[string]string {
	h.T.Helper()
	for {
		select {
		case r := <-h.records:
			if r["FLEET_RESULT"] != "" || r["FLEET_REASON"] != "" {
				return r
			}
		case <-time.After(10 * time.Second):
			h.T.Fatal("no record")
		}
	}
}

// transports are the ways to the sidecar.
var transports = map[string]func(h *host, agent string) mcp.Transport{
	"http": func(h *host, agent string) mcp.Transport {
		return &mcp.StreamableClientTransport{Endpoint: "http://" + h.ports[agent] + "/mcp"}
	},
	"stdio": func(h *host, agent string) mcp.Transport {
		shim := exec.Command(h.Dir+"/mcp-connect", h.socket(agent))
		shim.Env, shim.Stderr = []string{variable + "=1", daemontest.AtOnce}, &h.Stderr
		return &mcp.CommandTransport{Command: shim}
	},
}

// connect begins a session with the official SDK's client.
func (h *host) connect(transport, agent string, o *mcp.ClientOptions) *mcp.ClientSession {
	h.T.Helper()
	cs, err := h.try(transport, agent, o)
	check(h.T, err)
	return cs
}

func (h *host) try(transport, agent string, o *mcp.ClientOptions) (*mcp.ClientSession, error) {
	h.T.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	cs, err := c.Connect(h.T.Context(), transports[transport](h, agent), nil)
	if err == nil {
		h.T.Cleanup(func() { cs.Close() })
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
	h.T.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+h.ports[agent]+"/mcp", strings.NewReader(body))
	check(h.T, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, values := range header {
		r.Header[name] = values
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	resp, err := http.DefaultClient.Do(r)
	check(h.T, err)
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
	pid := strconv.Itoa(h.Cmd.Process.Pid)
	var all []string
	tasks, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, file := range tasks {
		b, _ := os.ReadFile(file)
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

func (h *host) pid() string { return strconv.Itoa(h.Cmd.Process.Pid) }

// begin begins a session over HTTP by hand and returns the headers of its requests.
func (h *host) begin(agent string) http.Header {
	h.T.Helper()
	status, body, header := h.post(agent, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
		`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`, nil)
	if status != http.StatusOK || header.Get("Mcp-Session-Id") == "" {
		h.T.Fatalf("%d: %s", status, body)
	}
	return http.Header{"Mcp-Session-Id": header["Mcp-Session-Id"]}
}
