//go:build machine

package egressctl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
	"fleet/schemas/status"
)

const allowAll = `{ egress+: { allow: ['web.test', { host: 'ssh.test', ports: [22], protocol: 'raw' }] } }`

// stream opens a connection as the agent that goes on until it is ended, and notes in a file when that was.
func (h *host) stream(key, name, script string) {
	h.t.Helper()
	file := "/usr/local/lib/stream-" + name // systemd expands what looks like a variable in arguments
	h.WriteFile(file, script, 0o644)
	h.Sh(fmt.Sprintf(`systemd-run -q --unit=stream-%s sh -uc 'exec sh %s %s "$(cat %s)"'`, name, insideFile, key, file))
}

// ended waits for the end of a stream and returns how long after a point in time it was.
func (h *host) ended(name string, since time.Time) time.Duration {
	h.t.Helper()
	for range 200 {
		if out, _ := h.Try("systemctl", "is-active", "stream-"+name); !strings.HasPrefix(out, "active") {
			return time.Since(since)
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.t.Fatalf("stream %s goes on", name)
	return 0
}

func (h *host) goesOn(name string) {
	h.t.Helper()
	if out, _ := h.Try("systemctl", "is-active", "stream-"+name); !strings.HasPrefix(out, "active") {
		h.t.Fatalf("stream %s is %s\n%s", name, out, h.Sh("journalctl -q -u stream-"+name))
	}
}

// open waits until an origin has a connection to a port.
func (h *host) open(port int) {
	h.t.Helper()
	h.Eventually(fmt.Sprint("a connection to port ", port), soon, func() error {
		for _, c := range h.net.Seen().Connections {
			if c.Port == port && c.Open {
				return nil
			}
		}
		return fmt.Errorf("none in %+v", h.net.Seen().Connections)
	})
}

// streams opens a tunnel of a protocol in which the server speaks first, a CONNECT tunnel with a kept-alive connection in
// it, and a plain HTTP answer that drips.
func (h *host) streams(key string) (names []string) {
	h.t.Helper()
	for name, script := range map[string]string{
		"raw":     `exec bash -c "exec 3<>/dev/tcp/ssh.test/22; cat <&3"`,
		"connect": `exec curl -sS --no-buffer --proxy $PROXY "https://web.test/drip?n=100000&ms=100"`,
		"http":    `exec curl -sS --no-buffer "http://web.test/drip?n=100000&ms=100"`,
		"keep":    `exec bash -c "exec 3<>/dev/tcp/web.test/80; printf \"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n\" >&3; cat <&3"`,
	} {
		h.stream(key, key+name, script)
		names = append(names, key+name)
	}
	for _, port := range []int{origins.Banner, origins.HTTP, origins.HTTPS} {
		h.open(port)
	}
	time.Sleep(500 * time.Millisecond)
	for _, name := range names {
		h.goesOn(name)
	}
	return names
}

// EGR-H2: the switch stops what is open and what is new within a second, for one agent or all, over a restart of the
// gate and a boot, until it is restored.
func TestH2Cut(t *testing.T) { isolated(t, testCut) }

func testCut(t *testing.T, isolation string) {
	h := boot(t, allowAll, isolation)
	names := h.streams("a")
	h.must("b", "curl -sS -m 10 http://web.test/")
	began := time.Now()
	out := h.fleet(0, "egress", "cut", "a", "--reason", "a test")
	for _, name := range names {
		if took := h.ended(name, began); took > time.Second {
			t.Errorf("%s ended %s after the cut began", name, took)
		}
	}
	if took := time.Since(began); strings.Contains(out, "killed") || took > 2*time.Second {
		t.Errorf("after %s: %s", took, out)
	}
	h.net.Forget()
	for _, script := range []string{
		"curl -sS -m 5 http://web.test/", "curl -sS -m 5 --proxy $PROXY https://web.test/", "getent hosts web.test",
		"bash -c 'exec 3<>/dev/tcp/127.64.0.1/22; read -r -t 5 line <&3'",
	} {
		h.refused("a", script)
	}
	if s := h.net.Seen(); len(s.New())+len(s.Requests)+len(s.Queries) > 0 {
		t.Errorf("the origins saw %+v", s)
	}
	h.must("a", "curl -sS -m 5 http://gate.fleet.internal/") // so that the probe tells a cut from a hole
	h.must("b", "curl -sS -m 10 http://web.test/")
	if err := has(h.records("a", "--denied"), func(e audit.Entry) bool { return e.Reason == "cut" }); err != nil {
		t.Error(err)
	}
	if got := h.ReadFile("/var/lib/fleet/demo/egress/cut/a"); got != "by root: a test\n" {
		t.Errorf("why: %q", got)
	}

	h.MustRun("systemctl", "restart", "fleet-demo-a-gate.service")
	h.refused("a", "curl -sS -m 5 http://web.test/")
	h.MustReboot()
	h.net.Wait()
	h.Eventually("b reaches a listed host after the boot", 30*time.Second, func() error {
		if out, exit := h.as("b", "curl -sS -m 5 http://web.test/"); exit != 0 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	h.refused("a", "curl -sS -m 5 http://web.test/")
	if out := h.fleet(0, "egress", "restore"); !strings.Contains(out, "a: restored") || !strings.Contains(out, "b: restored, was not cut off") {
		t.Errorf("restore: %s", out)
	}
	h.must("a", "curl -sS -m 5 http://web.test/")

	// All at once, and an agent cannot do any of it.
	h.fleet(0, "egress", "cut")
	h.refused("a", "curl -sS -m 5 http://web.test/")
	h.refused("b", "curl -sS -m 5 http://web.test/")
	h.refused("a", "rm /var/lib/fleet/demo/egress/cut/a")
	h.refused("a", "fleet egress restore a")
	h.fleet(0, "egress", "restore", "a", "b")
	h.must("b", "curl -sS -m 5 http://web.test/")
}

// EGR-H2: a gate that hangs is killed, which stops everything as well, and starts anew with the switch on.
func TestH2CutOfAHungGate(t *testing.T) { isolated(t, testCutOfAHungGate) }

func testCutOfAHungGate(t *testing.T, isolation string) {
	h := boot(t, allowAll, isolation)
	names := h.streams("a")
	h.MustRun("systemctl", "kill", "-s", "STOP", "fleet-demo-a-gate.service")
	if _, all := h.status(1); all["a"].Gate.State != status.GateFailed || !strings.Contains(all["a"].Reason, "does not answer") || !all["b"].Healthy {
		t.Errorf("a gate that hangs: %+v %+v", all["a"], all["a"].Gate)
	}
	began := time.Now()
	out := h.fleet(0, "egress", "cut", "a")
	for _, name := range names {
		if took := h.ended(name, began); took > 1500*time.Millisecond { // of which the machine's start of the tool is a part
			t.Errorf("%s ended %s after the cut began", name, took)
		}
	}
	if !strings.Contains(out, "did not answer and was killed") {
		t.Errorf("cut: %s", out)
	}
	h.refused("a", "curl -sS -m 5 http://web.test/")
	if out := h.fleet(0, "egress", "restore", "a"); strings.Contains(out, "killed") {
		t.Errorf("restore: %s", out)
	}
	h.must("a", "curl -sS -m 5 http://web.test/")
}
