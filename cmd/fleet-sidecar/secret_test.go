package main

import (
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/internal/daemon/daemontest"
	"fleet/schemas/sidecar"
)

// F16: the tool has its secrets, and nothing else has: no answer, no error, no log, no record, no command line.
func TestCATF16Canary(t *testing.T) {
	each(t, func(h *host) {
		h.config.AuditArguments = true
		h.secret("STUB_TOKEN.previous", "the-value-before-"+canary)
	}, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		for form, want := range map[string]string{
			"": "the token is [secret STUB_TOKEN].", "json": `{"token":"[secret STUB_TOKEN]"}`,
		} {
			if got := mustCall(t, cs, "secret", object{"form": form}); got != want {
				t.Errorf("%q: got %s", form, got)
			}
		}
		encoded := base64.StdEncoding.EncodeToString([]byte("user:" + canary))
		if got := mustCall(t, cs, "secret", object{"form": "base64"}); !strings.Contains(got, "[secret STUB_TOKEN]") || strings.Contains(got, encoded[8:30]) {
			t.Errorf("got %s", got)
		}
		fails(t, cs, "error", nil, "bad [secret STUB_TOKEN]")
		mustCall(t, cs, "stderr", object{"text": "PRIORITY=0\nforged\x1b[2J the-value-before-" + canary})
		mustCall(t, cs, "garbage", nil)
		eventually(t, "the log has no words of the tool", func() bool {
			said := h.Stderr.String()
			return strings.Contains(said, `"stderr":"forged\u001b[2J [secret STUB_TOKEN] [secret STUB_TOKEN]"`) &&
				strings.Contains(said, `"stdout":"[secret STUB_TOKEN]"`)
		})
		pid := h.children()[0]
		cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline")
		check(t, err)
		own, err := os.ReadFile("/proc/" + h.pid() + "/cmdline")
		check(t, err)
		environment, err := os.ReadFile("/proc/" + h.pid() + "/environ") // as root
		check(t, err)
		records := ""
		for range 6 {
			records += mustJSON(h.record())
		}
		for name, text := range map[string]string{
			"log": h.Stderr.String(), "command line of the tool": string(cmdline), "command line": string(own),
			"environment": string(environment), "records": records,
		} {
			for _, value := range []string{canary, strings.Trim(mustJSON(canary), `"`), encoded[8:30], "S3nary"} {
				if strings.Contains(text, value) {
					t.Errorf("the %s has the value: %s", name, text)
				}
			}
		}
	})
}

// The tool's environment is what the configuration says, and three variables.
func TestEnvironmentOfTheTool(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.config.Tool.Env["PLAIN"] = "a b\nc"
	h.config.Tool.Secrets = append(h.config.Tool.Secrets, sidecar.Secret{Name: "STUB_KEY", File: true})
	h.secret("STUB_KEY", "file-canary-value")
	open, err := os.Create(h.Dir + "/open")
	check(t, err)
	defer open.Close()
	h.Extra = []*os.File{open}
	h.start()
	mustCall(t, h.connect("stdio", "lead", nil), "echo", nil)
	b, err := os.ReadFile("/proc/" + h.children()[0] + "/environ")
	check(t, err)
	got := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	slices.Sort(got)
	want := []string{
		"CREDENTIALS_DIRECTORY=" + h.Dir + "/credentials", daemontest.AtOnce, "HOME=" + h.Dir, "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin",
		"PLAIN=a b\nc", "TEST_TOOL=good", "TOKEN=" + canary,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// No descriptor of the sidecar's: neither a socket nor a file with records.
	descriptors, err := os.ReadDir("/proc/" + h.children()[0] + "/fd")
	check(t, err)
	for _, f := range descriptors {
		to, _ := os.Readlink("/proc/" + h.children()[0] + "/fd/" + f.Name())
		if strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "/tmp/") {
			t.Errorf("descriptor %s is %s", f.Name(), to)
		}
	}
}

// F16: nobody but root reads the sidecar's memory, and it leaves no core.
func TestCATF16NotDumpable(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	limits, err := os.ReadFile("/proc/" + h.pid() + "/limits")
	check(t, err)
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			t.Errorf("got %s", line)
		}
	}
	prepared := exec.Command(os.Args[0])
	prepared.Env = []string{"TEST_PREPARE=1", daemontest.AtOnce}
	if out, err := prepared.Output(); string(out) != "0 <nil>\n" {
		t.Errorf("dumpable: %s, %v", out, err)
	}
}

// F17: without its secret a sidecar does not start.
func TestCATF17NoStart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		args   []string
		code   int
		want   string
	}{
		"missing":       {func(h *host) { os.Remove(h.Dir + "/credentials/STUB_TOKEN") }, nil, 1, "sudo fleet secret set STUB_TOKEN"},
		"short":         {func(h *host) { h.secret("STUB_TOKEN", "abc") }, nil, 1, "at least 8 bytes"},
		"no folder":     {func(*host) {}, []string{"--credentials", ""}, 1, "$CREDENTIALS_DIRECTORY"},
		"no sockets":    {func(h *host) { h.Files, h.Names = nil, nil }, nil, 1, "LISTEN_FDS"},
		"one too few":   {func(h *host) { h.Files, h.Names = h.Files[:1], h.Names[:1] }, nil, 1, "no unix socket with FileDescriptorName=agent-lead"},
		"other name":    {func(h *host) { h.Names[0] = "http-other" }, nil, 1, "http-other"},
		"no journal":    {func(h *host) { os.Remove(h.journal.Path) }, nil, 1, "journal"},
		"bad config":    {func(h *host) { h.config.Name = "../x" }, nil, 1, "lower-case letters"},
		"no config":     {func(*host) {}, []string{"--config", ""}, 2, "--config"},
		"no home":       {func(*host) {}, []string{"--home", ""}, 2, "StateDirectory="},
		"no runtime":    {func(*host) {}, []string{"--runtime", ""}, 2, "RuntimeDirectory="},
		"argument":      {func(*host) {}, []string{"x"}, 2, "takes no arguments"},
		"walls missing": {func(*host) {}, []string{"--walls", "/dev/null"}, 1, "sandbox of this unit is not whole"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "lead")
			c.change(h)
			h.run(c.args...)
			if code := h.Exit(); code != c.code || !strings.Contains(h.Stderr.String(), c.want) || strings.Contains(h.Stderr.String(), "S3nary") {
				t.Errorf("exit %d: %s", code, h.Stderr.String())
			}
		})
	}
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.Env = []string{"WATCHDOG_USEC=150000"}
	h.start()
	for range 3 {
		h.Said("WATCHDOG=1")
	}
}

// A sidecar ends when it is idle, and not while a session would be lost.
func TestIdleExit(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		h.Cmd.Process.Kill()
		h.Cmd.Wait()
		h.start("--idle", "300ms")
		cs := h.connect(transport, "lead", nil)
		time.Sleep(1500 * time.Millisecond)
		mustCall(t, cs, "echo", nil)
		cs.Close()
		http.DefaultClient.CloseIdleConnections()
		if code := h.Exit(); code != 0 || !strings.Contains(h.Stderr.String(), "idle") {
			t.Errorf("exit %d: %s", code, h.Stderr.String())
		}
		h.start()
		mustCall(t, h.connect(transport, "lead", nil), "echo", nil)
	})
}
