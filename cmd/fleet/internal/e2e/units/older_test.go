//go:build machine

package units

import (
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// sealOf makes a generation as a tool of another version would have.
func sealOf(t testing.TB, h *e2e.Host, tool, text string) string {
	t.Helper()
	return h.Seal(func(tree *artifact.Tree, m *manifest.Manifest) {
		m.Tool = tool
		if err := e2e.Unit(tree, prefix+"-x.service", text, true); err != nil {
			t.Fatal(err)
		}
	})
}

// A generation of another version of the tool is used where its manifest can be read, and refused with the reason where
// it cannot.
func TestOlderTool(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	older, newer := sealOf(t, h, "v0.0.1", sleeps), sealOf(t, h, "v9.9.9", sleeps+"Nice=3\n")
	x := prefix + "-x.service"

	t.Run("ACT-A36 tool version", func(t *testing.T) {
		h := h.On(t)
		h.Switch(older)
		m := switchTo(t, h, newer)
		m.want(t, x, "restart", "restarted")
		m.only(t, x)
		m = switchTo(t, h, older)
		m.want(t, x, "restart", "restarted")
		m.only(t, x)
		rollback(t, h).did(t, x, "restarted")
	})
	t.Run("ACT-A36 manifest version", func(t *testing.T) {
		h := h.On(t)
		before := states(t, h, e2e.Project)
		for _, version := range []string{"0", "2"} {
			h.Sh("cp -a " + strings.TrimSuffix(older, "/") + " /root/builds/v" + version +
				"; sed -i 's/^  \"version\": 1,$/  \"version\": " + version + ",/' /root/builds/v" + version + "/manifest.json")
			out := h.SwitchTo(3, "/root/builds/v"+version+"/")
			if !strings.Contains(out, "manifest has version "+version) || !strings.Contains(out, "build the generation again") {
				t.Errorf("the refusal of version %s does not say why, or what to do:\n%s", version, out)
			}
		}
		move{before: before, after: states(t, h, e2e.Project)}.only(t)
	})
	t.Run("ACT-A36 live generation of another version", func(t *testing.T) {
		h := h.On(t)
		before := states(t, h, e2e.Project)
		h.Sh(`sed -i 's/^  "version": 1,$/  "version": 2,/' /run/fleet/demo/active/manifest.json`)
		if out := h.SwitchTo(3, older); !strings.Contains(out, "manifest has version 2") {
			t.Errorf("the refusal does not say why:\n%s", out)
		}
		move{before: before, after: states(t, h, e2e.Project)}.only(t)
		h.MustReboot() // needs nothing of the tool
		if got := h.Show(x, "ActiveState")["ActiveState"]; got != "active" {
			t.Errorf("after a boot %s is %s", x, got)
		}
	})
}
