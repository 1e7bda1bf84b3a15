//go:build machine

package units

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/status"
)

func unitOf(agent string) string { return prefix + "-" + agent + ".service" }

// What a person did to units is respected, over switches, rollbacks and, where it is meant to, boots.
func TestStopped(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	const agents = `{ agents: { byfleet: {}, byhand: {}, runs: {} } }`
	h.Switch(h.Build(e2e.Spec(agents)))
	next := h.Build(e2e.Spec(agents, `{ defaults+: { prompt: 'Do another thing.' } }`))
	h.MustRun("fleet", "stop", "byfleet")
	h.MustRun("systemctl", "stop", unitOf("byhand"))

	// stay fails the test where a move started what a person stopped, or left the others alone.
	stay := func(t *testing.T, h *e2e.Host, m move) {
		t.Helper()
		for _, key := range []string{"byfleet", "byhand"} {
			m.did(t, unitOf(key), "untouched")
			if s := m.after[unitOf(key)]; s.up() {
				t.Errorf("%s is %v", unitOf(key), s)
			}
		}
		m.did(t, unitOf("runs"), "restarted")
	}
	t.Run("ACT-A26 over a switch", func(t *testing.T) {
		m := switchTo(t, h.On(t), next, "--now")
		stay(t, h, m)
		for _, key := range []string{"byfleet", "byhand"} {
			m.want(t, unitOf(key), "-", "untouched")
			if got := m.plan.drifted(unitOf(key)); !slices.Contains(got, "stopped") {
				t.Errorf("%s: the plan reports %v", key, got)
			}
		}
		m.only(t, unitOf("runs"))
	})
	t.Run("ACT-A26 over a rollback", func(t *testing.T) { stay(t, h, rollback(t, h.On(t), "--now")) })
	t.Run("ACT-A26 over a boot", func(t *testing.T) {
		h := h.On(t)
		h.MustReboot()
		after := states(t, h, e2e.Project)
		for key, up := range map[string]bool{"byfleet": false, "byhand": true, "runs": true} {
			if got := after[unitOf(key)]; got.up() != up {
				t.Errorf("after a boot %s is %v", key, got)
			}
		}
		if s, err := statusOf(h, "byfleet"); err != nil || s.State != status.Stopped {
			t.Errorf("status says %v, %v", s, err)
		}
		m := rollback(t, h, "--now")
		m.did(t, unitOf("byhand"), "restarted")
		m.did(t, unitOf("byfleet"), "untouched")
		h.MustRun("fleet", "start", "byfleet")
		if script := mainScript(h, unitOf("byfleet")); !strings.Contains(h.ReadFile(script), "Do another thing.") {
			t.Error("what is started at last does not run the live generation")
		}
	})
}

// An administrator's mask, drop-in and unit file outrank the generation, and are reported.
func TestOverridden(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	const agents = `{ agents: { masked: {}, dropin: {}, full: {}, plain: {} } }`
	h.Switch(h.Build(e2e.Spec(agents)))
	h.Sh(`cd /etc/systemd/system
		mkdir ` + unitOf("dropin") + `.d
		printf '[Service]\nNice=7\n' >` + unitOf("dropin") + `.d/own.conf
		sed 's/^\[Service\]$/&\nNice=8/' /run/systemd/generator/` + unitOf("full") + ` >` + unitOf("full") + `
		systemctl mask --now ` + unitOf("masked") + `
		systemctl daemon-reload
		systemctl restart ` + unitOf("dropin") + " " + unitOf("full"))
	files := h.Sh("find /etc/systemd/system -name 'fleet-*' | sort | xargs ls -ld --full-time")
	next := h.Build(e2e.Spec(agents, `{ defaults+: { prompt: 'Do another thing.' } }`))

	respected := func(t *testing.T, h *e2e.Host, m move) {
		t.Helper()
		for key, effect := range map[string]string{"masked": "untouched", "full": "untouched", "dropin": "restarted", "plain": "restarted"} {
			m.did(t, unitOf(key), effect)
		}
		for key, want := range map[string]string{"dropin": "7", "full": "8", "plain": "0"} {
			if got := niceness(h, unitOf(key)); got != want {
				t.Errorf("%s runs with nice %s, want %s", key, got, want)
			}
		}
		if got := h.Show(unitOf("masked"), "LoadState", "ActiveState"); got["LoadState"] != "masked" || got["ActiveState"] != "inactive" {
			t.Errorf("the masked unit is %v", got)
		}
		if got := h.Sh("find /etc/systemd/system -name 'fleet-*' | sort | xargs ls -ld --full-time"); got != files {
			t.Errorf("the administrator's files were changed:\n%s\nthen\n%s", files, got)
		}
	}
	kinds := map[string]string{"masked": "masked", "dropin": "drop-in", "full": "override"}
	t.Run("ACT-A27 over a switch", func(t *testing.T) {
		h := h.On(t)
		m := switchTo(t, h, next, "--now")
		respected(t, h, m)
		m.only(t, unitOf("dropin"), unitOf("plain"))
		for key, kind := range kinds {
			if got := m.plan.drifted(unitOf(key)); !slices.Contains(got, kind) {
				t.Errorf("%s: the plan reports %v, want %s", key, got, kind)
			}
		}
	})
	t.Run("ACT-A27 in status", func(t *testing.T) { reported(t, h.On(t), kinds) })
	t.Run("ACT-A27 over a rollback", func(t *testing.T) { respected(t, h.On(t), rollback(t, h.On(t), "--now")) })
}

// reported sees the drift of these agents' units in fleet status.
func reported(t *testing.T, h *e2e.Host, kinds map[string]string) {
	_, out, errOut := h.Fleet("status", "--json")
	var s status.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errOut)
	}
	for key := range kinds {
		if !slices.ContainsFunc(s.Drift, func(d status.Drift) bool { return d.Name == unitOf(key) }) {
			t.Errorf("status reports no drift of %s: %+v", unitOf(key), s.Drift)
		}
	}
	if slices.ContainsFunc(s.Drift, func(d status.Drift) bool { return d.Name == unitOf("plain") }) {
		t.Errorf("status reports drift of what has none: %+v", s.Drift)
	}
}

// A name that somebody else's unit has is refused before anything is done.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	own := func(path, dir string) {
		h.WriteFile(path, "[Service]\nExecStart=/bin/sleep infinity\n", 0o644)
		h.MustRun("systemctl", "daemon-reload")
		t.Run("ACT-A28 "+path, func(t *testing.T) { refusedName(t, h.On(t), path, dir) })
		h.MustRun("systemctl", "stop", filepath.Base(path))
		h.MustRun("rm", path)
		h.MustRun("systemctl", "daemon-reload")
	}
	first := h.Build(e2e.Spec())
	own("/usr/lib/systemd/system/"+unitOf("a"), first)
	own("/etc/systemd/system/"+unitOf("b"), first)
	h.Switch(first)
	own("/run/systemd/system/"+unitOf("c"), h.Build(e2e.Spec(`{ agents+: { c: {} } }`)))
}

func refusedName(t *testing.T, h *e2e.Host, path, dir string) {
	h.MustRun("systemctl", "start", filepath.Base(path))
	tree, before := settled(h), states(t, h, e2e.Project)
	for _, args := range [][]string{{"--dry-run"}, {}} {
		if out := h.SwitchTo(3, dir, args...); !strings.Contains(out, path) {
			t.Errorf("the refusal does not name %s:\n%s", path, out)
		}
	}
	sameTree(t, tree, settled(h))
	move{before: before, after: states(t, h, e2e.Project)}.only(t)
}

// settled is the host's tree without what a switch keeps of itself, refused or not: its lock, its progress, its program.
func settled(h *e2e.Host) []string {
	return slices.DeleteFunc(hostTree(h), ownTrace.MatchString)
}

var ownTrace = regexp.MustCompile(` (run|run/fleet.*|var/lib/fleet|var/lib/fleet/store(/[0-9a-f]{32}-fleet)?)$`)
