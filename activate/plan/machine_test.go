//go:build machine

package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
)

const insideEnv = "FLEET_TEST_INSIDE"

// leastOnMachine is how many fixtures at least must be such that a machine can be brought into their state.
const leastOnMachine = 50

// TestMachine lays out every fixture that it can on a real systemd, makes the plan from what systemd shows, does what
// the plan says, and holds both to account: the plan is the fixture's, the end is that of a freshly booted host, and
// invocation ids prove what was touched.
func TestMachine(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		runFixtures(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	m := machinetest.New(t, machinetest.Options{Bare: true, Options: machine.Options{
		Files: []machine.File{{Outside: self, Inside: "/usr/local/bin/plan.test"}},
		Binds: []machine.Bind{{Outside: filepath.Join(wd, "testdata"), Inside: "/srv/testdata"}},
	}})
	out, exit := m.Try("env", insideEnv+"=1", "sh", "-c", "cd /srv && exec plan.test -test.run='^TestMachine$' -test.v")
	if exit != 0 {
		t.Errorf("exit status %d\n%s", exit, out)
	}
	if n := strings.Count(out, "--- PASS: TestMachine/"); n < leastOnMachine {
		t.Errorf("only %d fixtures ran on the machine", n)
	}
}

func runFixtures(t *testing.T) {
	m, err := systemd.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	installGenerator(t)
	for _, dir := range []string{"/srv/data", "/srv/other"} { // that fixtures bind
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		f := loadFixture(t, path)
		if !f.possible() {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			h := &host{t: t, m: m, f: f}
			defer h.clear()
			h.run()
		})
	}
}

// possible reports whether a machine can be brought into the fixture's state with what real does.
func (f *fixture) possible() bool {
	if len(f.running) > 0 || len(f.dropIns) > 0 || strings.HasPrefix(f.plan, "refused") {
		return false
	}
	for _, o := range f.options {
		if strings.HasPrefix(o, "revert") || strings.HasPrefix(o, "ran ") {
			return false
		}
	}
	for _, line := range f.live {
		name, _, _ := strings.Cut(line, " ")
		if real(line) == "" || f.old[name] == "" && f.old[unitfile.Template(name)] == "" {
			return false
		}
	}
	return true
}

// real returns the shell command that makes a line of live true, "" where none does.
func real(line string) string {
	name, what, _ := strings.Cut(line, " ")
	etc := "/etc/systemd/system/" + name
	switch what {
	case "active=active sub=running":
		return "systemctl start -- " + name
	case "active=activating sub=start":
		return "systemctl start --no-block -- " + name + " && sleep .3"
	case "active=inactive":
		return "systemctl stop -- " + name
	case "load=masked fragment=/dev/null":
		return "ln -s /dev/null " + etc + " && systemctl daemon-reload"
	case "load=masked active=inactive fragment=/dev/null":
		return "systemctl stop -- " + name + " && ln -s /dev/null " + etc + " && systemctl daemon-reload"
	case "fragment=" + etc:
		return "cp /run/fp/" + name + " " + etc + " && systemctl daemon-reload"
	case "active=failed result=exit-code":
		own := "/run/systemd/system/" + name + ".d"
		return "mkdir -p " + own + "; printf '[Service]\\nRestart=no\\nExecStart=\\nExecStart=/bin/false\\n' >" + own + "/fail.conf; " +
			"systemctl daemon-reload; systemctl restart -- " + name + " || :; sleep .3; rm -r " + own +
			"; systemctl daemon-reload; systemctl is-failed -- " + name
	}
	return ""
}

// installGenerator makes systemd load what lies in /run/fp, with an anchor.
func installGenerator(t *testing.T) {
	t.Helper()
	const dir = "/run/systemd/system-generators"
	script := "#!/bin/sh\n[ ! -d /run/fp ] || cp -RP /run/fp/. \"$1\"/\n"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/fleet-plan-test", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// host is the machine while one fixture is on it.
type host struct {
	t *testing.T
	m *systemd.Manager
	f *fixture
}

var fx = system.Real{}

const longest = 60 * time.Second

func (h *host) run() {
	h.t.Helper()
	in := h.f.input(h.t)
	h.lay(h.f.old, 1)
	h.check(h.m.Reload(h.t.Context(), fx))
	if in.Old != nil {
		h.sh("systemctl start multi-user.target fleet-d.target; systemctl start --no-block fleet-d.target; sleep .1")
	} else {
		h.lay(nil, 0)
		h.check(h.m.Reload(h.t.Context(), fx))
	}
	for _, line := range h.f.live {
		h.sh(real(line))
	}
	in.Live = h.look(in)
	before := h.invocations(in)
	p, err := Make(in)
	h.check(err)
	if diff := cmp.Diff(h.f.plan, p.String()); diff != "" {
		h.t.Fatalf("the plan from what systemd shows (-want +got):\n%s", diff)
	}
	h.apply(in, p)
	h.judge(in, p, before, h.invocations(in))
}

var storeFile = regexp.MustCompile(`/var/lib/fleet/store/[0-9a-f]{32}-[a-z]+`)

// lay puts a generation's units where the generator finds them.
func (h *host) lay(files map[string]string, n int) {
	h.t.Helper()
	h.check(os.RemoveAll("/run/fp"))
	if files == nil {
		return
	}
	files["fleet-d-anchor.service"] = fmt.Sprintf("[Unit]\nX-Fleet-Generation=%d\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n", n)
	for name, text := range files {
		path := filepath.Join("/run/fp", name)
		h.check(os.MkdirAll(filepath.Dir(path), 0o755))
		if dir := filepath.Base(filepath.Dir(name)); strings.HasSuffix(dir, ".wants") {
			h.check(os.Symlink("../"+filepath.Base(name), path))
			continue
		}
		h.check(os.WriteFile(path, []byte(text), 0o644))
		for _, program := range storeFile.FindAllString(text, -1) {
			h.check(os.MkdirAll(filepath.Dir(program), 0o755))
			h.check(os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
		}
	}
	delete(files, "fleet-d-anchor.service")
}

// look reads from systemd what the activator would.
func (h *host) look(in Input) map[string]Live {
	h.t.Helper()
	names, templates := in.New.Names(), in.New.Templates()
	if in.Old != nil {
		names, templates = append(names, in.Old.Names()...), append(templates, in.Old.Templates()...)
	}
	units, err := h.m.Units(h.t.Context(), names, templates...)
	h.check(err)
	out := map[string]Live{}
	for name, u := range units {
		out[name] = Live{
			LoadState: u.LoadState, ActiveState: u.ActiveState, SubState: u.SubState, Result: u.Result,
			Fragment: u.Fragment, NeedReload: u.NeedReload, Job: u.Job, Ran: u.Ran,
		}
	}
	return out
}

func (h *host) invocations(in Input) map[string]string {
	h.t.Helper()
	var names []string
	for name := range in.Live {
		names = append(names, name)
	}
	units, err := h.m.Units(h.t.Context(), append(names, in.New.Names()...))
	h.check(err)
	out := map[string]string{}
	for name, u := range units {
		if u.Running() {
			out[name] = u.InvocationID
		}
	}
	return out
}

// apply does what a switch does with a plan.
func (h *host) apply(in Input, p *Plan) {
	h.t.Helper()
	h.jobs(p.Stops())
	h.check(h.m.HoldTimers(fx, p.Holds()))
	h.lay(h.f.new, 2)
	h.check(h.m.Reload(h.t.Context(), fx))
	h.check(h.m.VerifyLoaded(h.t.Context(), in.New, in.Anchor, 2))
	for _, name := range p.Resets() {
		h.check(h.m.ResetFailed(h.t.Context(), fx, name))
	}
	h.jobs(p.Jobs())
	h.check(h.m.ReleaseTimers(h.t.Context(), fx, p.Holds()))
	for _, e := range p.Endings() { // these agents never end by themselves
		name := "fleetending-d-" + e.Agent
		h.check(h.m.SeeToEnding(h.t.Context(), fx, systemd.Ending{Name: name, Unit: e.Unit, With: e.With}))
		for end := time.Now().Add(longest); h.m.Running(h.t.Context(), name+".service"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				h.t.Fatalf("%s does not come to its end", name)
			}
		}
	}
}

func (h *host) jobs(list []Job) {
	h.t.Helper()
	var jobs []systemd.Job
	for _, j := range list {
		jobs = append(jobs, systemd.Job{Unit: j.Unit, Kind: j.Verb})
	}
	for _, r := range h.m.Jobs(h.t.Context(), fx, jobs, longest, nil) {
		if !r.OK() {
			h.t.Error(h.m.Explain(h.t.Context(), r))
		}
	}
}

// judge compares the host with a freshly booted one, and its processes with those before.
func (h *host) judge(in Input, p *Plan, before, after map[string]string) {
	h.t.Helper()
	steps := map[string]Step{}
	for _, s := range p.Units {
		steps[s.Unit] = s
	}
	for name := range before {
		s, inPlan := steps[name]
		switch {
		case strings.HasSuffix(name, ".slice"): // goes and comes with its members
		case !inPlan || !s.Touches() || slices.Contains([]Action{Reload, Apply, Wait}, s.Action):
			if after[name] != before[name] {
				h.t.Errorf("%s has another process, or none, though the plan does not touch it", name)
			}
		case s.Action == Stop:
			if after[name] != "" {
				h.t.Errorf("%s still runs", name)
			}
		case after[name] == "" || after[name] == before[name]:
			h.t.Errorf("%s was to %s and has not", name, s.Action)
		}
	}
	if len(h.f.live)+len(h.f.options) > 0 {
		return // is not as a fresh host is
	}
	fresh := bootSim(in.New, in.Target)
	for _, name := range in.New.Names() {
		running := fresh.unit(name).active
		if got := after[name] != ""; got != running && kind(name) != "slice" {
			h.t.Errorf("%s runs: %t, on a fresh host %t", name, got, running)
		}
	}
}

// clear takes everything of the fixture's away.
func (h *host) clear() {
	os.RemoveAll("/run/fp")
	var names []string
	for _, files := range []map[string]string{h.f.old, h.f.new} {
		for name := range files {
			if !strings.Contains(name, "/") && !unitfile.IsTemplate(name) {
				names = append(names, name)
			}
		}
	}
	names = append(names, "fleet-d-anchor.service", "fleet-d-lead-attach@3.service", "fleet-d-lead-attach@4.service")
	for _, name := range names {
		os.Remove("/etc/systemd/system/" + name)
	}
	exec.Command("systemctl", append([]string{"stop", "--"}, names...)...).Run()
	exec.Command("systemctl", append([]string{"reset-failed", "--"}, names...)...).Run()
	exec.Command("systemctl", "daemon-reload").Run()
}

func (h *host) sh(script string) {
	h.t.Helper()
	if out, err := exec.Command("sh", "-euc", script).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

func (h *host) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
