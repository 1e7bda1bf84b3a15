//go:build machine

package egressctl

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/schemas/status"
)

// quick is a watchdog that looks every five seconds and tells of little.
const quick = `{ watchdog: { every: '5s', stalledAfter: '10m', failuresBeforeAlert: 2, deniedBeforeAlert: 20 } }`

func (h *host) status(want int, args ...string) (*status.Status, map[string]status.Agent) {
	h.t.Helper()
	s := new(status.Status)
	if err := json.Unmarshal([]byte(h.fleet(want, append([]string{"status", "--json"}, args...)...)), s); err != nil {
		h.t.Fatal(err)
	}
	return s, byKey(s)
}

func byKey(s *status.Status) map[string]status.Agent {
	out := map[string]status.Agent{}
	for _, a := range s.Agents {
		out[a.Key] = a
	}
	return out
}

// What gates do stands in the status, now and as the watchdog left it for operators.
func TestStatus(t *testing.T) {
	t.Parallel()
	h := boot(t, allowAll, quick)
	for range 3 {
		h.must("a", "curl -sS -m 5 https://web.test/")
	}
	h.refused("a", "curl -sS -m 5 https://other.test/")
	h.stream("a", "open", `exec curl -sS --no-buffer "http://web.test/drip?n=100000&ms=100"`)
	h.Eventually("an open connection", soon, func() error {
		_, all := h.status(0)
		if g := all["a"].Gate; g == nil || g.State != status.GateActive || g.Open == 0 || g.Mode != "enforce" {
			return fmt.Errorf("%+v", g)
		}
		return nil
	})
	h.MustRun("systemctl", "stop", "fleet-demo-b-gate.service")
	_, all := h.status(0)
	if e := all["a"].Egress; e.Allowed < 3 || e.Denied < 1 {
		t.Errorf("%+v", e)
	}
	if all["b"].Gate.State != status.GateIdle || !all["b"].Healthy {
		t.Errorf("b: %+v", all["b"].Gate)
	}
	if out := h.fleet(0, "status"); !strings.Contains(out, "GATE") || !strings.Contains(out, "EGRESS 24h") || !strings.Contains(out, "ok  ") {
		t.Errorf("status:\n%s", out)
	}
	if out := h.fleet(0, "status", "a"); !strings.Contains(out, "active, mode enforce, ") || !strings.Contains(out, " open connections") {
		t.Errorf("status a:\n%s", out)
	}

	h.fleet(0, "egress", "cut", "a", "--reason", "look here")
	h.fleet(0, "egress", "bypass", "b", "--for", "10m", "--reason", "install")
	s, all := h.status(1)
	if s.Healthy || all["a"].Healthy || all["a"].Gate.State != status.GateCut || !strings.Contains(all["a"].Reason, "look here") {
		t.Errorf("cut: %+v %+v", all["a"], all["a"].Gate)
	}
	if !all["b"].Healthy || all["b"].Gate.State != status.GateBypass || all["b"].Gate.Seconds < 500 {
		t.Errorf("bypass: %+v", all["b"].Gate)
	}
	// An operator without root reads what the watchdog saw.
	h.Sh("useradd -G fleet-operators ann")
	h.Eventually("the watchdog saw it", 20*time.Second, func() error {
		out, exit := h.Try("setpriv", "--reuid=ann", "--regid=ann", "--init-groups", "fleet", "status", "--json")
		left, err := status.Parse([]byte(out))
		if exit != 1 || err != nil {
			return fmt.Errorf("exit status %d, %w: %s", exit, err, out)
		}
		all := byKey(left)
		a, b := all["a"], all["b"]
		if a.Gate == nil || a.Gate.State != status.GateCut || a.Healthy || b.Gate.State != status.GateBypass || b.Gate.Seconds == 0 || a.Egress.Allowed < 3 {
			return fmt.Errorf("%+v %+v %+v", a.Gate, b.Gate, a.Egress)
		}
		return nil
	})
	h.WriteFile("/var/lib/fleet/demo/egress/cut/ghost", "of an agent that is gone\n", 0o644)
	h.fleet(0, "egress", "restore")
	if left := h.MustRun("ls", "-A", "/var/lib/fleet/demo/egress/cut"); left != "" {
		t.Errorf("restore leaves %s", left)
	}
	h.fleet(0, "egress", "bypass", "b", "--end")
	h.status(0)
}

func (h *host) alerts() string {
	h.t.Helper()
	return h.MustRun("journalctl", "-q", "-o", "cat", "-p", "err", "-u", "fleet-demo-watchdog.service")
}

func (h *host) eventuallyAlerts(text string) {
	h.t.Helper()
	h.Eventually("alert "+text, 30*time.Second, func() error {
		if got := h.alerts(); !strings.Contains(got, text) {
			return fmt.Errorf("alerts: %s", got)
		}
		return nil
	})
}

// The watchdog tells of many denials, and mends sockets that failed and a gate that has another policy.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	h := boot(t, allowAll, quick)
	h.Eventually("a first look", 20*time.Second, func() error {
		out, exit := h.Try("test", "-e", "/run/fleet/demo/watchdog/a.denials")
		if exit != 0 {
			return fmt.Errorf("none yet %s", out)
		}
		return nil
	})
	h.as("a", `for i in $(seq 1 40); do getent hosts "x$i.test"; done`)
	h.eventuallyAlerts("ALERT: agent a was denied ")
	h.eventuallyAlerts("RECOVERED: agent a is denied less")
	if strings.Contains(h.alerts(), "agent b") {
		t.Errorf("alerts of b: %s", h.alerts())
	}

	// A policy in force that is not the generation's.
	h.must("b", "curl -sS -m 5 https://web.test/")
	const file = "/run/fleet/demo/egress/policy/b/policy.json"
	h.Sh("sed -i 's/web.test/wob.test/' " + file + "; systemctl kill -s HUP --kill-who=main fleet-demo-b-gate.service")
	h.Eventually("b has its policy back", 30*time.Second, func() error { return exit(h.as("b", "curl -sS -m 5 https://web.test/")) })
	if out := h.Sh("journalctl -q -o cat -u fleet-demo-watchdog.service"); !strings.Contains(out, "the gate of agent b has another policy than the generation") {
		t.Errorf("the watchdog did not say so: %s", out)
	}

	// Sockets that failed stay so until somebody starts them.
	const socket = "fleet-demo-b-gate.socket"
	h.WriteFile("/run/systemd/system/"+socket+".d/bad.conf", "[Socket]\nExecStartPre=/bin/false\n", 0o644)
	h.Sh(`systemctl daemon-reload; systemctl stop ` + socket + ` fleet-demo-b-gate.service; systemctl start ` + socket + ` || :`)
	if got := h.Show(socket, "ActiveState")["ActiveState"]; got != "failed" {
		t.Fatalf("%s is %s", socket, got)
	}
	_, all := h.status(1)
	if b := all["b"]; b.Gate.State != status.GateFailed || b.Healthy {
		t.Errorf("%+v %+v", b, b.Gate)
	}
	h.eventuallyAlerts("ALERT: the gate of agent b has failed")
	h.Sh(`rm -r /run/systemd/system/` + socket + `.d; systemctl daemon-reload`)
	h.Eventually("b's sockets listen again", 30*time.Second, func() error { return exit(h.as("b", "curl -sS -m 5 https://web.test/")) })
	h.eventuallyAlerts("RECOVERED: the gate of agent b")
}
