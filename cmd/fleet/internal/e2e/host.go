//go:build machine

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fleet/activate/machine/machinetest"
	"fleet/generate"
	"fleet/generate/artifact"
	"fleet/generate/spec"
	"fleet/generate/store"
	"fleet/schemas/manifest"
)

// Project is the project of all specs and trees of tests that do not name another one.
const Project = "demo"

// Host is a machine under test, and what was built for it.
type Host struct {
	*machinetest.M
	t     testing.TB
	built *built
}

// built is what was built for a machine.
type built struct {
	lock   []byte
	builds int
}

// New boots a machine.
func New(t testing.TB, o machinetest.Options) *Host {
	t.Helper()
	return &Host{M: machinetest.New(t, o), t: t, built: &built{}}
}

// On returns the host for a subtest: its helpers end that one where they fail.
func (h *Host) On(t testing.TB) *Host { return &Host{M: h.M.On(t), t: t, built: h.built} }

// Spec returns a spec of two demo agents, with short deadlines, into which changes are merged as Jsonnet with "+".
// The agents are called a and b, and their sessions are a second long.
func Spec(changes ...string) string {
	s := `local base = {
  version: 'fleet/v1', project: '` + Project + `',
  activation: { health: '2s', deadman: '40s', job: '30s' },
  defaults: { harness: 'demo', iteration: '10m' },
  agents: { a: {}, b: {} },
};
base`
	for _, c := range changes {
		s += " + " + c
	}
	return s
}

// Build compiles a spec as `fleet build` does and returns the folder of the generation inside the machine. UIDs stay the
// same from one build to the next.
func (h *Host) Build(specText string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(specText), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.BuildIn(dir, "fleet.jsonnet")
}

// BuildWith is Build with other daemons than those of this source, paths by name.
func (h *Host) BuildWith(specText string, programs map[string]string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(specText), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.build(dir, "fleet.jsonnet", programs)
}

// BuildIn is Build of a spec that stands in a folder of this host.
func (h *Host) BuildIn(dir, file string) string {
	h.t.Helper()
	return h.build(dir, file, nil)
}

func (h *Host) build(dir, file string, programs map[string]string) string {
	h.t.Helper()
	all := daemons(h.t)
	maps.Copy(all, programs)
	c, err := generate.Compile(context.Background(), generate.Options{
		Spec: spec.Options{Dir: dir, File: file}, Lock: h.built.lock, Target: runtime.GOOS + "/" + runtime.GOARCH,
		Programs: all,
	})
	if err != nil {
		h.t.Fatalf("compile:\n%v", err)
	}
	h.built.lock = c.Lock
	return h.place(c.Sealed)
}

// daemons returns where the daemons of this source can be read.
func daemons(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range generate.Daemons {
		path, err := machinetest.Program("", name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = path
	}
	return out
}

// Seal makes a generation of a hand-written tree, for what no spec can make, and returns its folder inside the machine.
// What the tree lacks is taken from a rendered fleet without agents' units: the target, the firewall, rules, users.
func (h *Host) Seal(change func(t *artifact.Tree, m *manifest.Manifest)) string {
	h.t.Helper()
	return h.SealSpec(idle, change)
}

// SealSpec makes a generation of what a spec renders to, changed by hand.
func (h *Host) SealSpec(text string, change func(t *artifact.Tree, m *manifest.Manifest)) string {
	h.t.Helper()
	s, err := sealed(h.t, text, change)
	if err != nil {
		h.t.Fatalf("seal:\n%v", err)
	}
	return h.place(s)
}

func (h *Host) place(s *store.Sealed) string {
	h.t.Helper()
	dir := h.t.TempDir()
	w, err := store.Write(dir, s)
	if err != nil {
		h.t.Fatal(err)
	}
	h.built.builds++
	inside := fmt.Sprintf("/root/builds/%d", h.built.builds)
	h.MustRun("mkdir", "-p", filepath.Dir(inside))
	out, err := exec.Command("cp", "--archive", w.Path, h.Path(inside)).CombinedOutput() // with its modes
	if err != nil {
		h.t.Fatalf("copy the build into the machine: %v\n%s", err, out)
	}
	h.MustRun("chown", "-R", "root:root", "/root/builds")
	return inside + "/"
}

// Switch switches to a build and wants exit status 0.
func (h *Host) Switch(dir string, args ...string) string {
	h.t.Helper()
	return h.SwitchTo(0, dir, args...)
}

// SwitchTo switches to a build, wants the given exit status and returns all that was printed.
func (h *Host) SwitchTo(want int, dir string, args ...string) string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(append([]string{"switch", "--no-confirm", dir}, args...)...)
	if exit != want {
		h.t.Fatalf("fleet switch %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), exit, want, errOut, out)
	}
	return errOut + out
}

// Plan returns what a dry run says is done to each unit, by unit.
func (h *Host) Plan(dir string, args ...string) map[string]string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(append([]string{"switch", "--no-confirm", "--dry-run", "--json", dir}, args...)...)
	if exit != 4 && exit != 0 {
		h.t.Fatalf("fleet switch --dry-run: exit status %d\n%s%s", exit, errOut, out)
	}
	var p struct {
		Units []struct{ Name, Action string }
	}
	if exit == 0 && !strings.HasPrefix(strings.TrimSpace(out), "{") {
		return map[string]string{}
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		h.t.Fatalf("dry run: %v\n%s", err, out)
	}
	actions := map[string]string{}
	for _, u := range p.Units {
		actions[u.Name] = u.Action
	}
	return actions
}

// Invocations returns the invocation id of every loaded unit of the project; "" where it never ran.
func (h *Host) Invocations() map[string]string {
	h.t.Helper()
	out := map[string]string{}
	text := h.Sh(`systemctl show -p Id -p InvocationID -p ActiveState 'fleet-` + Project + `*' | paste -sd' ' | sed 's/  /\n/g'`)
	for line := range strings.Lines(text) {
		f := map[string]string{}
		for _, kv := range strings.Fields(line) {
			k, v, _ := strings.Cut(kv, "=")
			f[k] = v
		}
		if f["Id"] != "" {
			out[f["Id"]] = f["ActiveState"] + " " + f["InvocationID"]
		}
	}
	return out
}

// Untouched fails the test for every unit whose invocation or state differs between two calls of Invocations, but for
// those named.
func Untouched(t testing.TB, before, after map[string]string, but ...string) {
	t.Helper()
	touched := map[string]bool{}
	for _, b := range but {
		touched[b] = true
	}
	for unit, was := range before {
		if !touched[unit] && after[unit] != was {
			t.Errorf("%s was touched: %q, then %q", unit, was, after[unit])
		}
	}
}

// Generation returns the number of the live generation by the active link, and that of the boot default.
func (h *Host) Generation() (active, boot string) {
	h.t.Helper()
	read := func(path string) string {
		out, exit := h.Try("readlink", path)
		if exit != 0 {
			return ""
		}
		return filepath.Base(strings.TrimSpace(out))
	}
	return read("/run/fleet/" + Project + "/active"), read("/etc/fleet/" + Project + "/boot")
}
