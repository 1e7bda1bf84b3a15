//go:build machine

package egressctl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

const tryOther = "curl -sS -m 5 https://other.test/"

// EGR-E24: a bypass opens one agent's gate, is recorded in each decision, and ends by itself: at its time, after a restart
// of the gate, with a boot. Nobody but root begins one.
func TestE24Bypass(t *testing.T) { isolated(t, testBypass) }

func testBypass(t *testing.T, isolation string) {
	h := boot(t, isolation, `{ egress+: { allow: ['web.test'], deny: ['more.test'] } }`)
	h.net.Names(map[string]origins.Answer{"meta.test": {Addresses: []string{"169.254.169.254"}}, "priv.test": {Addresses: []string{"10.1.2.3"}}})
	h.must("a", "curl -sS -m 5 https://web.test/")
	h.refused("a", tryOther)
	began := time.Now()
	h.fleet(0, "egress", "bypass", "a", "--for", "9s", "--reason", "the test wants it")
	h.must("a", tryOther)
	h.must("a", "curl -sS -m 5 http://more.test/")
	h.refused("a", "curl -sS -m 5 -f http://meta.test/")
	h.refused("a", "curl -sS -m 5 -f http://priv.test/")
	h.refused("b", tryOther)
	h.MustRun("systemctl", "kill", "-s", "KILL", "fleet-demo-a-gate.service")
	h.Eventually("the bypass holds over a kill of the gate", 5*time.Second, func() error { return exit(h.as("a", tryOther)) })
	h.stream("a", "late", `exec curl -sS --no-buffer "http://other.test/drip?n=100000&ms=100"`)
	h.open(origins.HTTP)
	left := time.Until(began.Add(9 * time.Second))
	if left < 0 {
		t.Fatalf("the machine is too slow: %s", -left)
	}
	time.Sleep(left)
	if took := h.ended("late", time.Now()); took > 2*time.Second {
		t.Errorf("what the bypass let through went on for %s after its end", took)
	}
	h.refused("a", tryOther)
	for _, e := range h.records("a") {
		if e.Host == "other.test" && e.Event == audit.Decision && e.Verdict == audit.Allow {
			t.Errorf("not recorded as bypassed: %+v", e)
		}
	}
	if err := has(h.records("a"), func(e audit.Entry) bool { return e.Host == "other.test" && e.Verdict == audit.Bypassed }); err != nil {
		t.Error(err)
	}
	if err := has(h.records("a"), func(e audit.Entry) bool { return e.Host == "meta.test" && e.Reason == "forbidden-address" }); err != nil {
		t.Error(err)
	}

	// Ended before its time.
	h.fleet(0, "egress", "bypass", "a", "--for", "1h", "--reason", "x")
	h.must("a", tryOther)
	h.fleet(0, "egress", "bypass", "a", "--end")
	h.refused("a", tryOther)

	// The agent makes none.
	h.fleet(0, "egress", "bypass", "a", "--for", "1h", "--reason", "x")
	file := h.ReadFile("/run/fleet/demo/egress/bypass/a")
	h.refused("a", "printf x >/run/fleet/demo/egress/bypass/b")
	h.refused("a", "cp /run/fleet/demo/egress/bypass/a /run/fleet/demo/egress/bypass/b")
	h.refused("a", "fleet egress bypass a --for 1h --reason mine")
	h.refused("b", tryOther)

	// A cut goes before it.
	if out := h.fleet(0, "egress", "cut", "a"); strings.Contains(out, "killed") {
		t.Error(out)
	}
	h.refused("a", tryOther)
	h.fleet(0, "egress", "restore", "a")
	h.must("a", tryOther)

	// A boot ends it, and it is void where it is put back.
	h.MustReboot()
	h.net.Wait()
	h.Eventually("the gate is up again", 30*time.Second, func() error { return exit(h.as("a", "curl -sS -m 5 https://web.test/")) })
	h.refused("a", tryOther)
	h.WriteFile("/run/fleet/demo/egress/bypass/a", file, 0o644)
	h.MustRun("systemctl", "restart", "fleet-demo-a-gate.service")
	h.must("a", "curl -sS -m 5 https://web.test/")
	h.refused("a", tryOther)
}

func exit(out string, status int) error {
	if status == 0 {
		return nil
	}
	return fmt.Errorf("exit status %d: %s", status, out)
}
