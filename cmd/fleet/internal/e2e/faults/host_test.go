//go:build machine

package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/manifest"
)

// all reports whether the long loops run in full.
func all() bool { return os.Getenv("FLEET_TEST_ALL") != "" }

// rounds returns how often a loop is run: some in CI, the full number on demand.
func rounds(ci, full int) int {
	if all() {
		return full
	}
	return ci
}

// host is a machine whose fleet program can be interrupted.
type host struct {
	*e2e.Host
	t *testing.T
}

func boot(t *testing.T, o machine.Options) *host {
	t.Helper()
	return &host{e2e.New(t, machinetest.Options{Options: o, BuildTags: "fault"}), t}
}

// on returns the host for a subtest.
func (h *host) on(t *testing.T) *host { return &host{h.Host.On(t), t} }

// fault is system.Fault, see there.
type fault struct {
	Args   []string `json:"args"`
	Before string   `json:"before,omitempty"`
	Nth    int      `json:"nth,omitempty"`
	Pause  bool     `json:"pause,omitempty"`
	Log    string   `json:"log,omitempty"`
}

// detached are the arguments of a process that does a switch, and of no other.
func detached(project string) []string { return []string{"__switch", project} }

const effectLog = "/run/fleet-effects"

// arm lets the next processes that match be interrupted, and begins new lists of effects.
func (h *host) arm(faults ...fault) {
	h.t.Helper()
	text, err := json.Marshal(faults)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Sh("rm -f " + effectLog + "*")
	h.WriteFile("/run/fleet-fault", string(text), 0o600)
}

// disarm lets everything run to its end.
func (h *host) disarm() {
	h.t.Helper()
	h.MustRun("rm", "-f", "/run/fleet-fault")
}

// effects returns what was about to be done by the processes that listed it in log.
func (h *host) effects(log string) []string {
	h.t.Helper()
	var out []string
	for line := range strings.Lines(h.Sh("cat " + log + " 2>/dev/null || :")) {
		if f := strings.SplitN(strings.TrimSpace(line), " ", 3); len(f) == 3 {
			out = append(out, f[2])
		}
	}
	return out
}

// build is a generation that was built but need not be on the host.
type build struct {
	dir      string
	manifest *manifest.Manifest
}

func (h *host) build(spec string) build {
	h.t.Helper()
	return h.read(h.Build(spec))
}

func (h *host) read(dir string) build {
	h.t.Helper()
	b := build{dir: dir, manifest: &manifest.Manifest{}}
	if err := json.Unmarshal([]byte(h.ReadFile(dir+manifest.FileName)), b.manifest); err != nil {
		h.t.Fatal(err)
	}
	return b
}

// fleet runs the program and wants an exit status. It returns all that was printed.
func (h *host) fleet(want int, args ...string) string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(args...)
	if exit != want {
		h.t.Fatalf("fleet %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), exit, want, errOut, out)
	}
	return errOut + out
}

// mustSay fails the test where the text lacks one of the words.
func (h *host) mustSay(text string, words ...string) {
	h.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			h.t.Errorf("it does not say %q:\n%s", w, text)
		}
	}
}

// short are deadlines that a test can wait for: the dead man acts after 31 s, after 60 s where jobs run, after 64 s in
// the health window and after 30 s at the commit point.
const short = `{ activation+: { deadman: '31s', job: '30s' } }`

func named(project string) string { return fmt.Sprintf(`{ project: '%s' }`, project) }
