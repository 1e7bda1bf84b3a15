//go:build machine

package faults

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// manyUnits are enough for a reload to be in the middle of.
const manyUnits = 12

// B18: while somebody else reloads systemd all the time, systemd never has units of two generations at once. Every unit
// has its generation in the description, and one question to PID 1 lists them all.
func TestACTB18NeverMixed(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	var builds []build
	for n := range 2 {
		builds = append(builds, h.described(n))
	}
	h.Switch(builds[0].dir)
	h.Sh("systemd-run --quiet --unit=reloader sh -c 'while systemctl daemon-reload; do sleep 0.05; done'")
	switches := rounds(20, 200)
	watched := make(chan string, 1)
	var over atomic.Bool
	go func() { watched <- h.watchMixed(&over) }()
	for n := range switches {
		h.Switch(builds[(n+1)%2].dir)
	}
	over.Store(true)
	t.Log(<-watched)
	if got := h.Show("reloader.service", "ActiveState")["ActiveState"]; got != "active" {
		t.Errorf("the reloader is %s", got)
	}
}

// done is a service that has its work behind it.
const done = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"

// described makes a build whose units have the number in their description, which no unit is restarted for.
func (h *host) described(n int) build {
	h.t.Helper()
	return h.seal(func(t *artifact.Tree, _ *manifest.Manifest) error {
		for i := range manyUnits {
			name := fmt.Sprintf("fleet-demo-u%d.service", i)
			text := fmt.Sprintf("[Unit]\nDescription=of generation %d\n%s", n, done)
			if err := e2e.Unit(t, name, text, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// watchMixed asks PID 1 again and again, and reports a mixed answer to the test.
func (h *host) watchMixed(over *atomic.Bool) string {
	seen := map[string]int{}
	for !over.Load() {
		out, _ := h.Try("systemctl", "list-units", "--all", "--plain", "--no-legend", "fleet-demo-u*.service")
		kinds := map[string]int{}
		for line := range strings.Lines(out) {
			if _, of, ok := strings.Cut(line, "of generation "); ok {
				kinds[strings.TrimSpace(of)]++
			} else {
				kinds["not loaded"]++
			}
		}
		for k := range kinds {
			seen[k]++
		}
		if len(kinds) > 1 {
			h.t.Errorf("systemd has units of several generations at once: %v", kinds)
		}
		time.Sleep(30 * time.Millisecond)
	}
	return fmt.Sprintf("seen by generation: %v", seen)
}
