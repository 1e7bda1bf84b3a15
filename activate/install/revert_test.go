package install

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/state"
)

const nonce = "0123456789abcdef"

// scene is a host in the middle of a switch, with a systemctl that only keeps books.
type scene struct {
	*testing.T
	root string
	l    profile.Layout
}

// digest is what the unit's text of generation n is recorded as.
func digest(n int) string { return strings.Repeat(strconv.Itoa(n), 32) }

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{T: t, root: memory(t)}
	s.l = profile.Layout{Project: "demo", Root: s.root}
	for _, d := range []string{
		"bin", "state", "broken", "digests/1", "digests/2", "etc/fleet/demo/generations", "run/fleet/demo/units", "lost",
		"run/fleet/demo/lead", "var/lib/fleet/demo/txn", "var/lib/fleet/store", "invocations", "run/systemd/system/" + timer + ".d",
	} {
		s.must(os.MkdirAll(filepath.Join(s.root, d), 0o755))
	}
	s.copy("testdata/systemctl", "bin/systemctl")
	for _, name := range []string{"ln", "mv", "rm", "sync", "sleep", "flock", "timeout"} {
		s.copy("testdata/step", "bin/"+name)
	}
	s.put("calls", "0")
	s.put("kill-at", "none")
	s.put("log", "")
	s.put("loaded", "2\n")
	_, err := Revert(system.Real{}, s.l, nonce)
	s.must(err)
	return s
}

// memory returns a new folder on a tmpfs where there is one: syncing a disk hundreds of times takes minutes.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "fleet-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scene) put(path, text string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.root, path), []byte(text), 0o644))
}

func (s *scene) get(path string) string {
	b, err := os.ReadFile(filepath.Join(s.root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (s *scene) copy(from, to string) {
	s.Helper()
	b, err := os.ReadFile(from)
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.root, to), b, 0o755))
}

func (s *scene) link(target, path string) {
	s.Helper()
	os.Remove(filepath.Join(s.root, path)) // may be missing
	s.must(os.Symlink(target, filepath.Join(s.root, path)))
}

func (s *scene) txn(t *state.Txn) {
	s.Helper()
	t.Version, t.Project, t.Nonce, t.Action, t.Phase = 1, "demo", nonce, "switch", "P10"
	s.must(profile.New(s.l, system.Real{}).SaveTxn(t))
}

// run runs the script under dash and returns its exit status, -1 if it was killed.
func (s *scene) run(args ...string) int {
	s.Helper()
	argv := append([]string{"-c", `echo $$ >"$0/pid"; exec dash "$@"`, s.root, s.l.Revert(nonce), nonce}, args...)
	out, err := exec.Command("sh", argv...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		return -1
	case errors.As(err, &exit):
		s.Logf("%s", out)
		return exit.ExitCode()
	}
	s.Fatal(err)
	return 0
}

func (s *scene) states() map[string]string {
	out := map[string]string{}
	files, _ := filepath.Glob(s.root + "/state/*")
	for _, f := range files {
		out[filepath.Base(f)] = s.get("state/" + filepath.Base(f))
	}
	return out
}

func (s *scene) active() string {
	target, _ := os.Readlink(s.root + "/run/fleet/demo/active")
	return target
}

const (
	lead   = "fleet-demo-lead.service"     // changed, runs the new text
	worker = `fleet-demo-a\x2db.service`   // not changed
	job    = "fleet-demo-job.service"      // stopped, not yet started again
	timer  = "fleet-demo-watchdog.timer"   // changed, nothing is recorded of it
	fresh  = "fleet-demo-new.service"      // the new generation's only
	target = "fleet-demo.target"           // runs
	wall   = "fleet-demo-firewall.service" // runs, was only reloaded
	net    = "fleet-demo-lead-net.service" // restarted, nothing is recorded of its text
	other  = "fleet-demo-b-net.service"    // to be restarted, and not yet
	door   = "fleet-demo-b-gate.socket"    // not changed, but systemd has closed it
	gate   = "fleet-demo-lead-gate.socket" // not changed
)

// middle is a switch from 1 to 2 that got as far as P10.
func middle(t *testing.T) *scene {
	s := newScene(t)
	s.link("generations/1", "etc/fleet/demo/boot")
	s.link("/etc/fleet/demo/generations/2", "run/fleet/demo/active")
	for unit, st := range map[string]string{
		lead: "active", worker: "active", job: "inactive", timer: "active", fresh: "active", target: "active", wall: "active",
		net: "active", other: "active", door: "active", gate: "active",
	} {
		s.put("state/"+unit, st+"\n")
	}
	for unit, n := range map[string][2]int{lead: {1, 2}, worker: {1, 1}, job: {1, 1}, wall: {1, 1}} {
		s.put("digests/1/"+unit, digest(n[0]))
		s.put("digests/2/"+unit, digest(n[1]))
		s.put("run/fleet/demo/units/"+unit, digest(n[1])+" "+digest(0)+"\n")
	}
	s.put("invocations/"+net, digest(2))
	for _, unit := range []string{other, door, gate} {
		s.put("invocations/"+unit, digest(1))
	}
	s.put("lost/"+door, "")
	s.put("run/systemd/system/"+timer+".d/50-fleet-hold.conf", "")
	s.put("run/fleet/demo/lead/end", "")
	s.put("var/lib/fleet/store/x-firewall", `echo "$@" >>"`+s.root+`/firewall"`)
	s.txn(&state.Txn{From: 1, To: 2, Boot: 1, Unit: "fleetswitch-demo.service", Timer: "fleetdeadman-demo", Revert: state.Revert{
		Firewall: &state.Firewall{Script: "/var/lib/fleet/store/x-firewall", File: "/etc/fleet/demo/generations/1/nftables/demo.nft"},
		Stop:     []string{fresh},
		Units: []state.Restore{
			{Unit: lead, Digest: digest(1)},
			{Unit: worker, Digest: digest(1)},
			{Unit: job, Digest: digest(1)},
			{Unit: wall, Digest: digest(1)},
			{Unit: timer, Always: true},
			{Unit: target},
			{Unit: net, Invocation: digest(1)},
			{Unit: other, Invocation: digest(1)},
			{Unit: door, Invocation: digest(1)},
			{Unit: gate, Invocation: digest(1)},
		},
	}})
	return s
}

// whole fails unless the host is back at generation 1.
func (s *scene) whole(when string) {
	s.Helper()
	if got := s.active(); got != "/etc/fleet/demo/generations/1" {
		s.Errorf("%s: active -> %s", when, got)
	}
	want := map[string]string{
		lead: "active", worker: "active", job: "active", timer: "active", fresh: "inactive", target: "active", wall: "active", net: "active", other: "active", door: "active", gate: "active",
		"fleetswitch-demo.service": "inactive", "fleetdeadman-demo.timer": "inactive", "fleetdeadman-demo-guard.timer": "inactive",
	}
	if d := cmp.Diff(want, s.states()); d != "" {
		s.Errorf("%s: %s", when, d)
	}
	if got := s.get("run/fleet/demo/units/" + lead); !strings.HasPrefix(got, digest(1)) {
		s.Errorf("%s: lead runs %s", when, got)
	}
	if got := s.get("firewall"); !strings.HasPrefix(got, "reload "+s.root+"/etc/fleet/demo/generations/1/nftables/demo.nft") {
		s.Errorf("%s: firewall got %q", when, got)
	}
	if got := s.get("var/lib/fleet/demo/txn/" + nonce + ".result"); got != "reverted" {
		s.Errorf("%s: result %q", when, got)
	}
	if _, err := os.Stat(s.root + "/run/fleet/demo/lead/end"); err == nil {
		s.Errorf("%s: the agent is still told to make way", when)
	}
	opened := false
	for _, line := range strings.Split(s.get("log"), "\n") {
		if !strings.HasPrefix(line, "restart") {
			continue
		}
		opened = opened || strings.Contains(line, door)
		for _, unchanged := range []string{worker, wall, other, gate} {
			if strings.Contains(line, unchanged) {
				s.Errorf("%s: an unchanged unit was restarted: %s", when, line)
			}
		}
	}
	if !opened {
		s.Errorf("%s: a closed socket was not opened again", when)
	}
}

func TestRevert(t *testing.T) {
	s := middle(t)
	if status := s.run(); status != 0 {
		t.Errorf("status %d", status)
	}
	s.whole("once")
	if held, _ := filepath.Glob(s.root + "/run/systemd/system/*"); len(held) > 0 {
		t.Errorf("a timer is held: %s", held)
	}
	log := strings.Split(s.get("log"), "\n")
	if log[0] != "kill -s KILL -- fleetswitch-demo.service" {
		t.Errorf("the switch must be killed first: %q", log[0])
	}
	// After the reload systemd would not know ExecStop= of what the old generation does not have.
	if stop, reload := slices.Index(log, "stop -- "+fresh), slices.Index(log, "daemon-reload"); stop < 0 || stop > reload {
		t.Errorf("stop is line %d, reload is line %d", stop, reload)
	}
	if !slices.Contains(log, "stop -- fleetending-demo-*") {
		t.Error("what ends agents at their boundary goes on")
	}
	if !slices.ContainsFunc(log, func(l string) bool { return strings.HasPrefix(l, "restart") && strings.Contains(l, net) }) {
		t.Error("what runs the new text unrecorded goes on with it")
	}
	// A systemctl that outlives a killed script must not keep the next one from the lock.
	if slices.Contains(log, "has the lock") {
		t.Error("the lock is handed down to systemctl")
	}
	u, err := profile.New(s.l, system.Real{}).Unfinished()
	s.must(err)
	if len(u) != 1 || !u[0].Reverted || u[0].Failed != nil {
		t.Errorf("%+v", u)
	}
	if status := s.run(); status != 0 {
		t.Errorf("again: status %d", status)
	}
	s.whole("twice")
}

// B4: killed before any of its commands, and twice more later on, the script comes to the same end when it is run
// again.
func TestRevertB4Killed(t *testing.T) {
	for at := 1; ; at += stride {
		s := middle(t)
		killed := 0
		for _, k := range []int{at, at + 4, at + 8} {
			s.put("calls", "0")
			s.put("kill-at", strconv.Itoa(k))
			if s.run() == -1 {
				killed++
			}
		}
		s.put("kill-at", "none")
		if status := s.run(); status != 0 {
			t.Errorf("killed at %d: status %d", at, status)
		}
		s.whole("killed at " + strconv.Itoa(at))
		if killed == 0 {
			if at < 15 {
				t.Errorf("only %d commands: the kills were not made", at)
			}
			return
		}
	}
}

// B3: a switch that passed its commit point is not undone.
func TestRevertB3Committed(t *testing.T) {
	for _, c := range []struct {
		name, boot, result string
		before             int
		committed          bool
	}{
		{"moved", "generations/2", "", 1, true},
		{"not moved", "generations/1", "", 1, false},
		{"first", "generations/2", "", 0, true},
		{"named it before", "generations/2", "", 2, false},
		{"named it before, and through", "generations/2", "committed\n", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := middle(t)
			s.link(c.boot, "etc/fleet/demo/boot")
			s.txn(&state.Txn{From: 1, To: 2, Boot: c.before, Timer: "fleetdeadman-demo"})
			if c.result != "" {
				s.put("var/lib/fleet/demo/txn/"+nonce+".result", c.result)
			}
			if status := s.run(); status != 0 {
				t.Errorf("status %d", status)
			}
			if moved := s.active() != "/etc/fleet/demo/generations/2"; moved == c.committed {
				t.Errorf("active -> %s", s.active())
			}
			if got := s.states()["fleetdeadman-demo.timer"]; got != "inactive" {
				t.Errorf("the timer is %s", got)
			}
			u, err := profile.New(s.l, system.Real{}).Unfinished()
			s.must(err)
			if u[0].Committed != c.committed || u[0].Reverted == c.committed {
				t.Errorf("the tool sees %+v", u[0])
			}
		})
	}
}

// B27: the first switch ever goes back to nothing.
func TestRevertB27First(t *testing.T) {
	s := newScene(t)
	s.link("/etc/fleet/demo/generations/1", "run/fleet/demo/active")
	s.put("state/"+fresh, "active\n")
	s.put("state/"+target, "failed\n")
	s.put("state/fleet-demo-anchor.service", "active\n")
	s.txn(&state.Txn{From: 0, To: 1, Boot: 0, Revert: state.Revert{Stop: []string{target, fresh}}})
	if status := s.run(); status != 0 {
		t.Errorf("status %d", status)
	}
	want := map[string]string{fresh: "inactive", target: "inactive", "fleet-demo-anchor.service": "inactive"}
	if d := cmp.Diff(want, s.states()); d != "" || s.active() != "" {
		t.Errorf("active %q: %s", s.active(), d)
	}
	if s.get("loaded") != "0" {
		t.Error("systemd was not reloaded")
	}
}

// What cannot be brought back is said, and does not keep the rest from coming back.
func TestRevertFailures(t *testing.T) {
	s := middle(t)
	s.put("broken/"+job, "")
	s.put("var/lib/fleet/store/x-firewall", "exit 1")
	if status := s.run(); status != 3 {
		t.Errorf("status %d", status)
	}
	u, err := profile.New(s.l, system.Real{}).Unfinished()
	s.must(err)
	if d := cmp.Diff([]string{wall, job}, u[0].Failed); d != "" || !u[0].Reverted {
		t.Errorf("%+v: %s", u[0], d)
	}
	if got := s.states()[lead]; got != "active" || s.active() != "/etc/fleet/demo/generations/1" {
		t.Errorf("lead is %s, active -> %s", got, s.active())
	}
}

// A systemd that does not load the old generation is tried again, then reported.
func TestRevertReloadFails(t *testing.T) {
	s := middle(t)
	s.put("broken/reload", "")
	if status := s.run(); status != 3 {
		t.Errorf("status %d", status)
	}
	if n := strings.Count(s.get("log"), "daemon-reload"); n != 3+1 { // three tries, and one for the timer that is held
		t.Errorf("%d reloads", n)
	}
	if got := s.get("var/lib/fleet/demo/txn/" + nonce + ".result"); !strings.HasPrefix(got, "reverted\nfailed fleet-demo-anchor.service") {
		t.Errorf("result %q", got)
	}
}

// The switch itself runs the script with its lock held; anybody else waits for the lock.
func TestRevertHeld(t *testing.T) {
	s := middle(t)
	p := profile.New(s.l, system.Real{})
	lock, err := p.Lock(profile.Holder{PID: os.Getpid(), What: "switch"})
	s.must(err)
	if status := s.run("held"); status != 0 {
		t.Errorf("status %d", status)
	}
	if s.active() != "/etc/fleet/demo/generations/1" || strings.Contains(s.get("log"), "fleetswitch") || strings.Contains(s.get("log"), "fleetdeadman") {
		t.Errorf("active %s, log:\n%s", s.active(), s.get("log"))
	}
	s.must(lock.Release())
}

func TestRevertRefusesBadLists(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"cut off":       func(l string) string { return strings.TrimSuffix(l, "end\n") },
		"empty":         func(string) string { return "" },
		"other version": func(l string) string { return strings.Replace(l, "fleet-revert 1", "fleet-revert 2", 1) },
		"other project": func(l string) string { return strings.Replace(l, "project demo", "project other", 1) },
		"other nonce":   func(l string) string { return strings.Replace(l, nonce, "ffff", 1) },
		"no number":     func(l string) string { return strings.Replace(l, "from 1", "from ../1", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := middle(t)
			path := "var/lib/fleet/demo/txn/" + nonce + ".lines"
			b, err := os.ReadFile(filepath.Join(s.root, path))
			s.must(err)
			s.must(os.WriteFile(filepath.Join(s.root, path), []byte(edit(string(b))), 0o600))
			if status := s.run(); status != 1 || s.get("log") != "" {
				t.Errorf("status %d, log %q", status, s.get("log"))
			}
		})
	}
}

// The chat of the old generation is told, after all else; one that does not answer changes nothing.
func TestRevertTells(t *testing.T) {
	for name, status := range map[string]string{"speaks": "0", "deaf": "1"} {
		t.Run(name, func(t *testing.T) {
			s := middle(t)
			s.must(os.MkdirAll(filepath.Join(s.root, "etc/fleet/demo/generations/1/libexec"), 0o755))
			chat := "etc/fleet/demo/generations/1/libexec/fleet-chat"
			s.put(chat, fmt.Sprintf("#!/bin/sh\n{ echo \"$*\"; cat '%s'; } >>'%s/told'\nexit %s\n", s.l.TxnResult(nonce), s.root, status))
			s.must(os.Chmod(filepath.Join(s.root, chat), 0o755))
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			s.must(err)
			defer syscall.Close(fd)
			s.must(syscall.Bind(fd, &syscall.SockaddrUnix{Name: s.root + "/run/fleet/demo/chat.sock"}))
			if status := s.run(); status != 0 {
				t.Errorf("status %d", status)
			}
			s.whole("told")
			want := "post --socket " + s.root + "/run/fleet/demo/chat.sock --wait 5s -- " +
				"ALERT: the switch to generation 2 failed; generation 1 is live again\nreverted"
			if got := s.get("told"); got != want {
				t.Errorf("told %q", got)
			}
		})
	}
}
