//go:build machine

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/activate/system"
	"fleet/activate/unitfile"
)

// insideEnv tells this test program that it runs in the machine.
const insideEnv = "FLEET_TEST_INSIDE"

// TestMachine runs the cases below in a machine without a message bus (ACT-B19), where they may do to systemd what they
// like.
func TestMachine(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				m := connect(t)
				c.test(t, m)
			})
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := machinetest.New(t, machinetest.Options{Bare: true, Options: machine.Options{
		Files: []machine.File{{Outside: self, Inside: "/usr/local/bin/systemd.test"}},
	}})
	m.Sh("systemctl stop dbus.socket dbus.service && ! systemctl is-active dbus.service")
	out, exit := m.Try("env", insideEnv+"=1", "/usr/local/bin/systemd.test", "-test.run=^TestMachine$", "-test.v")
	if exit != 0 || strings.Count(out, "--- PASS: TestMachine/") != len(cases) {
		t.Errorf("exit status %d\n%s", exit, out)
	}
}

func connect(t *testing.T) *Manager {
	t.Helper()
	m, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

var cases = []struct {
	name string
	test func(*testing.T, *Manager)
}{
	{"version and state", testVersion},
	{"units", testUnits},
	{"jobs that end well", testJobs},
	{"ACT-A30 jobs that fail", testFailures},
	{"ACT-A30 start that hangs", testHangingStart},
	{"ACT-A30 stop that hangs", testHangingStop},
	{"ACT-A31 exit 0 and started again", testRespawn},
	{"ACT-B22 generator that fails", testGenerator},
	{"ACT-B21 generator that hangs", testHangingReload},
	{"ACT-B18 foreign reloads", testForeignReloads},
	{"dead man", testDeadman},
	{"dead man armed anew", testRearm},
	{"detached program", testDetached},
	{"ACT-A18 held timer", testHold},
	{"ACT-A11 service that ends at its boundary", testEnding},
}

var fx = system.Real{}

// write puts units into /run/systemd/system, loads them, and takes them away at the end of the test.
func write(t *testing.T, m *Manager, units map[string]string) {
	t.Helper()
	for name, text := range units {
		path := filepath.Join("/run/systemd/system", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for name := range units {
			exec.Command("systemctl", "kill", "-s", "KILL", "--", name).Run()
			exec.Command("systemctl", "stop", "--", name).Run()
			exec.Command("systemctl", "reset-failed", "--", name).Run()
			os.Remove(filepath.Join("/run/systemd/system", name))
		}
		exec.Command("systemctl", "daemon-reload").Run()
	})
	must(t, m.Reload(t.Context(), fx))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, limit time.Duration, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within %s: %s", limit, what)
}

func testVersion(t *testing.T, m *Manager) {
	v, err := m.Version(t.Context())
	if err != nil || v < 250 || v > 999 {
		t.Errorf("version %d, %v", v, err)
	}
	state, err := m.State(t.Context())
	if err != nil || state != "running" && state != "degraded" {
		t.Errorf("state %q, %v", state, err)
	}
	if !Booted() {
		t.Error("systemd is PID 1 here")
	}
}

func testUnits(t *testing.T, m *Manager) {
	write(t, m, map[string]string{
		"fu-a.service":            "[Service]\nExecStart=/bin/sleep infinity\n",
		"fu-a.service.d/own.conf": "[Service]\nNice=1\n",
		"fu-b\\x2d@.service":      "[Service]\nExecStart=/bin/sleep infinity\n",
		"-fu-dash.service":        "[Service]\nExecStart=/bin/sleep infinity\n",
		"fu-broken.service":       "[Service]\nType=simple\n",
	})
	jobs := []Job{{"fu-a.service", Start}, {"fu-b\\x2d@1.service", Start}, {"-fu-dash.service", Start}}
	for _, r := range m.Jobs(t.Context(), fx, jobs, 10*time.Second, nil) {
		if !r.OK() {
			t.Fatal(m.Explain(t.Context(), r))
		}
	}
	must(t, os.WriteFile("/run/systemd/system/-fu-dash.service", []byte("[Service]\nExecStart=/bin/sleep 1\n"), 0o644))
	must(t, os.Chtimes("/run/systemd/system/-fu-dash.service", time.Now(), time.Now().Add(time.Hour)))
	names := []string{"fu-a.service", "-fu-dash.service", "fu-none.service", "fu-broken.service"}
	units, err := m.Units(t.Context(), names, "fu-b\\x2d@.service")
	must(t, err)
	a := units["fu-a.service"]
	if a.ActiveState != "active" || a.LoadState != "loaded" || a.Fragment != "/run/systemd/system/fu-a.service" || !a.Ran ||
		len(a.DropIns) != 1 || a.DropIns[0] != "/run/systemd/system/fu-a.service.d/own.conf" || len(a.InvocationID) != 32 || a.NeedReload {
		t.Errorf("%+v", a)
	}
	if !units["-fu-dash.service"].NeedReload {
		t.Error("a changed file must show")
	}
	if u := units["fu-none.service"]; u.LoadState != "not-found" || u.ActiveState != "inactive" || u.Ran {
		t.Errorf("%+v", u)
	}
	if u := units["fu-broken.service"]; u.LoadState != "bad-setting" || u.LoadError == "" {
		t.Errorf("%+v", u)
	}
	if u := units["fu-b\\x2d@1.service"]; u.ActiveState != "active" {
		t.Errorf("the instance is missing: %v", units)
	}
	one, err := m.Unit(t.Context(), "fu-a.service")
	if err != nil || one.MainPID == 0 || !strings.HasSuffix(one.ControlGroup, "/fu-a.service") || one.Result != "success" {
		t.Errorf("%+v, %v", one, err)
	}
	if one, err := m.Unit(t.Context(), "fu-none.service"); err != nil || one.LoadState != "not-found" {
		t.Errorf("%+v, %v", one, err)
	}
}

func testJobs(t *testing.T, m *Manager) {
	units, jobs := map[string]string{}, []Job{}
	for i := range 30 {
		name := fmt.Sprintf("fj-%d.service", i)
		units[name] = "[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/true\n"
		jobs = append(jobs, Job{name, Start})
	}
	write(t, m, units)
	for _, kind := range []string{Start, Reload, Restart, Stop} {
		for i := range jobs {
			jobs[i].Kind = kind
		}
		var seen int
		for i, r := range m.Jobs(t.Context(), fx, jobs, 20*time.Second, func(JobResult) { seen++ }) {
			if !r.OK() || r.Job != jobs[i] {
				t.Errorf("%s: %+v", kind, r)
			}
		}
		if seen != len(jobs) {
			t.Errorf("%s: %d of %d were told", kind, seen, len(jobs))
		}
	}
	if got := m.Jobs(t.Context(), fx, []Job{{"fj-1.service", Stop}}, time.Second, nil); !got[0].OK() {
		t.Errorf("a stop of what does not run: %+v", got)
	}
}

func testFailures(t *testing.T, m *Manager) {
	write(t, m, map[string]string{
		"ff-exit.service":  "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'printf \"bad \\\\033[31m news\\\\n\"; exit 7'\n",
		"ff-dep.service":   "[Unit]\nRequires=ff-exit.service\nAfter=ff-exit.service\n[Service]\nExecStart=/bin/sleep infinity\n",
		"ff-plain.service": "[Service]\nExecStart=/bin/sleep infinity\n",
	})
	must(t, os.Symlink("/dev/null", "/etc/systemd/system/ff-plain.service"))
	defer os.Remove("/etc/systemd/system/ff-plain.service")
	must(t, m.Reload(t.Context(), fx))
	results := m.Jobs(t.Context(), fx, []Job{
		{"ff-dep.service", Start},
		{"ff-exit.service", Start},
		{"ff-none.service", Start},
		{"ff-exit.service", "dance"},
		{"ff-plain.service", Start},
	}, 10*time.Second, nil)
	for i, want := range []string{
		"ff-dep.service: start failed (dependency)", "ff-exit.service: start failed (failed, exit-code, status 7)\n",
		"start ff-none.service: Unit ff-none.service not found.", `job "dance" of ff-exit.service is none that systemd knows`,
		"start ff-plain.service: Unit ff-plain.service is masked.",
	} {
		if got := m.Explain(t.Context(), results[i]); results[i].OK() || !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	eventually(t, "the journal's lines in the text", 20*time.Second, func() bool {
		text := m.Explain(t.Context(), results[1])
		if strings.ContainsRune(text, '\x1b') {
			t.Fatalf("%q would steer a terminal", text)
		}
		return strings.Contains(text, " news\n")
	})
	u, err := m.Unit(t.Context(), "ff-exit.service")
	if err != nil || u.ActiveState != "failed" || u.Result != "exit-code" || u.ExecMainStatus != 7 {
		t.Errorf("%+v, %v", u, err)
	}
	must(t, m.ResetFailed(t.Context(), fx, "ff-exit.service"))
	must(t, m.ResetFailed(t.Context(), fx, "ff-none.service"))
	if u, _ := m.Unit(t.Context(), "ff-exit.service"); u.ActiveState != "inactive" {
		t.Errorf("%+v", u)
	}
}

func testHangingStart(t *testing.T, m *Manager) {
	write(t, m, map[string]string{"fh.service": "[Service]\nExecStartPre=/bin/sleep infinity\nExecStart=/bin/sleep infinity\n"})
	began := time.Now()
	r := m.StartAndWait(t.Context(), fx, "fh.service", time.Second)
	if r.OK() || r.Result != overdue || time.Since(began) > 3*time.Second {
		t.Errorf("%+v after %s", r, time.Since(began))
	}
	if got := m.Explain(t.Context(), r); !strings.HasPrefix(got, "fh.service: start is not over after 1s") {
		t.Errorf("%q", got)
	}
	must(t, m.Kill(t.Context(), fx, "fh.service"))
	if m.Running(t.Context(), "fh.service") {
		t.Error("killed and still running")
	}
}

func testHangingStop(t *testing.T, m *Manager) {
	write(t, m, map[string]string{"fh.service": "[Service]\nTimeoutStopSec=infinity\n" +
		"ExecStart=/bin/sh -c 'trap \"\" TERM; touch /run/fh; while :; do sleep 1; done'\n"})
	if r := m.StartAndWait(t.Context(), fx, "fh.service", 5*time.Second); !r.OK() {
		t.Fatal(m.Explain(t.Context(), r))
	}
	eventually(t, "the trap is set", 30*time.Second, func() bool { _, err := os.Stat("/run/fh"); return err == nil })
	if r := m.Jobs(t.Context(), fx, []Job{{"fh.service", Stop}}, time.Second, nil)[0]; r.Result != overdue {
		t.Errorf("%+v", r)
	}
	must(t, m.Kill(t.Context(), fx, "fh.service"))
	must(t, m.Kill(t.Context(), fx, "fh.service"))
	must(t, m.Kill(t.Context(), fx, "fh-none.service"))
}

func testRespawn(t *testing.T, m *Manager) {
	write(t, m, map[string]string{"fr.service": "[Service]\nType=exec\nRestart=always\nRestartSec=100ms\nStartLimitIntervalSec=0\nExecStart=/bin/true\n"})
	if r := m.StartAndWait(t.Context(), fx, "fr.service", 5*time.Second); !r.OK() {
		t.Error(m.Explain(t.Context(), r))
	}
	eventually(t, "systemd starts it again", 30*time.Second, func() bool {
		u, err := m.Unit(t.Context(), "fr.service")
		return err == nil && u.NRestarts > 1 && u.ActiveState != "failed" && u.Result == "success"
	})
}

// generator installs a systemd generator of the test's and returns the folder whose files it copies.
func generator(t *testing.T, script string) string {
	t.Helper()
	const path = "/run/systemd/system-generators/fleet-test"
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.MkdirAll("/run/fg", 0o755))
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	t.Cleanup(func() {
		os.Remove(path)
		os.RemoveAll("/run/fg")
		exec.Command("systemctl", "daemon-reload").Run()
	})
	return "/run/fg"
}

// generation writes the files of a generation that has the anchor and a service.
func generation(t *testing.T, dir string, n int) *unitfile.Set {
	t.Helper()
	anchor := fmt.Sprintf("[Unit]\nX-Fleet-Generation=%d\n[Service]\nType=oneshot\nExecStart=/bin/true\n", n)
	service := fmt.Sprintf("[Service]\nEnvironment=N=%d\nExecStart=/bin/sleep infinity\n", n)
	must(t, os.WriteFile(dir+"/fg-anchor.service", []byte(anchor), 0o644))
	must(t, os.WriteFile(dir+"/fg-a.service", []byte(service), 0o644))
	must(t, os.WriteFile(dir+"/fg-t@.service", []byte(service), 0o644))
	set, err := unitfile.Load(fstest.MapFS{"fg-a.service": {Data: []byte(service)}, "fg-t@.service": {Data: []byte(service)}})
	must(t, err)
	return set
}

func testGenerator(t *testing.T, m *Manager) {
	dir := generator(t, "cp /run/fg/* \"$1\"/\n")
	set := generation(t, dir, 3)
	must(t, m.Reload(t.Context(), fx))
	must(t, m.VerifyLoaded(t.Context(), set, "fg-anchor.service", 3))
	wrong := m.VerifyLoaded(t.Context(), set, "fg-anchor.service", 4)
	if wrong == nil || !strings.Contains(wrong.Error(), `fg-anchor.service says generation "3", not 4`) {
		t.Errorf("%v", wrong)
	}
	generation(t, dir, 4)
	must(t, m.Reload(t.Context(), fx))
	must(t, m.VerifyLoaded(t.Context(), set, "fg-anchor.service", 4))

	write(t, m, map[string]string{"fg-anchor.service.d/own.conf": "[Service]\nNice=1\n"})
	must(t, m.VerifyLoaded(t.Context(), set, "fg-anchor.service", 4))
	must(t, os.MkdirAll("/etc/systemd/system", 0o755))
	must(t, os.Symlink("/dev/null", "/etc/systemd/system/fg-a.service"))
	must(t, m.Reload(t.Context(), fx))
	must(t, m.VerifyLoaded(t.Context(), set, "fg-anchor.service", 4))
	must(t, os.Remove("/etc/systemd/system/fg-a.service"))

	generator(t, "exit 1\n")
	must(t, m.Reload(t.Context(), fx)) // systemd says nothing of it
	missing := m.VerifyLoaded(t.Context(), set, "fg-anchor.service", 4)
	if missing == nil || !strings.Contains(missing.Error(), "fg-a.service is not-found") ||
		!strings.Contains(missing.Error(), "fg-anchor.service is not-found") || !strings.Contains(missing.Error(), "fg-t@.service is not there") {
		t.Errorf("%v", missing)
	}
}

func testHangingReload(t *testing.T, m *Manager) {
	generator(t, "sleep 6\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	err := m.Reload(ctx, fx)
	if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(fmt.Sprint(err), "is not over") || time.Since(began) > 3*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	time.Sleep(6 * time.Second)
	if _, err := m.Version(t.Context()); err != nil {
		t.Errorf("the connection is of no use after a reload that hung: %v", err)
	}
}

func testForeignReloads(t *testing.T, m *Manager) {
	dir := generator(t, "cp /run/fg/* \"$1\"/\n")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			exec.Command("systemctl", "daemon-reload").Run()
		}
	}()
	for n := range 20 {
		set := generation(t, dir, n)
		must(t, m.Reload(t.Context(), fx))
		must(t, m.VerifyLoaded(t.Context(), set, "fg-anchor.service", n))
		if r := m.Jobs(t.Context(), fx, []Job{{"fg-a.service", Restart}}, 20*time.Second, nil)[0]; !r.OK() {
			t.Error(m.Explain(t.Context(), r))
		}
		p, err := m.conn.GetUnitTypePropertyContext(t.Context(), "fg-a.service", "Service", "Environment")
		if want := fmt.Sprintf("[N=%d]", n); err != nil || fmt.Sprint(p.Value.Value()) != want {
			t.Errorf("environment %v, %v, want %s", p, err, want)
		}
	}
	cancel()
	<-done
	m.Jobs(t.Context(), fx, []Job{{"fg-a.service", Stop}}, 10*time.Second, nil)
}

func runs(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "x")
}

// noting returns a command that notes in file that it ran, and exits with the status.
func noting(t *testing.T, file string, status int) []string {
	t.Helper()
	script := file + ".sh"
	must(t, os.WriteFile(script, fmt.Appendf(nil, "printf x >>%s\nexit %d\n", file, status), 0o644))
	return []string{"/bin/sh", script}
}

func testDeadman(t *testing.T, m *Manager) {
	file := filepath.Join(t.TempDir(), "ran")
	d := Deadman{Name: "fleetdeadman-t", After: 2 * time.Second, Argv: noting(t, file, 1)}
	t.Cleanup(func() { must(t, m.DisarmTimer(context.Background(), fx, d.Name)) })
	began := time.Now()
	must(t, m.ArmTimer(t.Context(), fx, d))
	must(t, m.Reload(t.Context(), fx)) // survives one
	if err := m.ArmTimer(t.Context(), fx, Deadman{Name: "fleetdeadman-x", Argv: []string{"/bin/sh", "-c", "a; b"}}); err == nil {
		t.Error("an argument that a reload would change must be refused")
	}
	eventually(t, "it runs", 30*time.Second, func() bool { return runs(t, file) == 1 })
	if took := time.Since(began); took < d.After {
		t.Errorf("it ran after %s already", took)
	}
	eventually(t, "it runs again after it failed", deadmanAgain+30*time.Second, func() bool { return runs(t, file) == 2 })
	must(t, m.DisarmTimer(t.Context(), fx, d.Name))
	must(t, m.DisarmTimer(t.Context(), fx, d.Name))
	units, err := m.Units(t.Context(), []string{d.Name + ".timer", d.Name + ".service"})
	must(t, err)
	for name, u := range units {
		if u.ActiveState != "inactive" {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

func testRearm(t *testing.T, m *Manager) {
	file := filepath.Join(t.TempDir(), "ran")
	d := Deadman{Name: "fleetdeadman-r", After: 10 * time.Second, Argv: noting(t, file, 0)}
	t.Cleanup(func() { must(t, m.DisarmTimer(context.Background(), fx, d.Name)) })
	must(t, m.ArmTimer(t.Context(), fx, d))
	for _, after := range []time.Duration{10, 10, 11, 11, 10} { // longer in all than any of them
		time.Sleep(3 * time.Second)
		must(t, m.RearmTimer(t.Context(), fx, d.Name, after*time.Second))
		if !m.Running(t.Context(), d.Name+".timer") || m.Running(t.Context(), d.Name+"-guard.timer") {
			t.Error("one timer must be armed, and no other")
		}
	}
	if runs(t, file) != 0 {
		t.Error("it ran although it was armed anew")
	}
	eventually(t, "it runs in the end", 30*time.Second, func() bool { return runs(t, file) == 1 })
	must(t, m.DisarmTimer(t.Context(), fx, d.Name))

	must(t, m.ArmTimer(t.Context(), fx, Deadman{Name: d.Name, After: 2 * time.Second, Argv: d.Argv}))
	must(t, m.DisarmTimer(t.Context(), fx, d.Name))
	time.Sleep(3 * time.Second)
	if runs(t, file) != 1 {
		t.Error("it ran although it was disarmed")
	}
}

func testDetached(t *testing.T, m *Manager) {
	out := filepath.Join(t.TempDir(), "out")
	d := Detached{
		Unit: "fleetswitch-t.service", Description: "test", Output: out,
		Argv: []string{"/bin/sh", "-c", "echo hello; sleep 1; echo bye >&2; exit 3"},
	}
	must(t, m.StartDetached(t.Context(), fx, d))
	if !m.Running(t.Context(), d.Unit) {
		t.Error("it must run")
	}
	eventually(t, "its end", 30*time.Second, func() bool { return !m.Running(t.Context(), d.Unit) })
	if text, _ := os.ReadFile(out); string(text) != "hello\nbye\n" {
		t.Errorf("%q", text)
	}
	must(t, m.StartDetached(t.Context(), fx, d)) // the failed one is gone
	eventually(t, "its end", 30*time.Second, func() bool { return !m.Running(t.Context(), d.Unit) })
	d.Unit, d.Argv = "fleetswitch-u.service", []string{"/bin/nonesuch"}
	if err := m.StartDetached(t.Context(), fx, d); err == nil {
		t.Error("a program that is not there must be an error")
	}
}

// testHold proves that a changed calendar timer does not fire at once, though its schedule has elapsed since its start,
// and that it does without the hold.
func testHold(t *testing.T, m *Manager) {
	file := filepath.Join(t.TempDir(), "ran")
	timer := func(at time.Time) string {
		return "[Timer]\nAccuracySec=1ms\nOnCalendar=*-*-* " + at.Format("15:04:05") + "\n"
	}
	units := map[string]string{
		"ft.target": "[Unit]\nWants=ft.timer\n", "ft.timer": timer(time.Now().Add(-time.Hour)),
		"ft.service": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'printf x >>" + file + "'\n",
	}
	write(t, m, units)
	change := func(hold bool) {
		t.Helper()
		time.Sleep(2100 * time.Millisecond)
		must(t, m.job(t.Context(), fx, Job{"ft.timer", Stop}))
		must(t, os.WriteFile("/run/systemd/system/ft.timer", []byte(timer(time.Now().Add(-time.Second))), 0o644))
		if hold {
			must(t, m.HoldTimers(fx, []string{"ft.timer"}))
		}
		must(t, m.Reload(t.Context(), fx))
		must(t, m.job(t.Context(), fx, Job{"ft.timer", Start}))
		if hold {
			must(t, m.ReleaseTimers(t.Context(), fx, []string{"ft.timer"}))
		}
		time.Sleep(time.Second)
	}
	must(t, m.job(t.Context(), fx, Job{"ft.target", Start}))
	change(true)
	if n := runs(t, file); n != 0 {
		t.Errorf("a held timer fired %d times", n)
	}
	u, err := m.Unit(t.Context(), "ft.timer")
	if err != nil || u.ActiveState != "active" || len(u.DropIns) != 0 || u.NeedReload {
		t.Errorf("%+v, %v", u, err)
	}
	change(false)
	if n := runs(t, file); n != 1 {
		t.Logf("without the hold it fired %d times: this systemd does not need it", n)
	}
	must(t, os.WriteFile("/run/systemd/system/ft.timer", []byte(timer(time.Now().Add(15*time.Second))), 0o644))
	before := runs(t, file)
	must(t, m.job(t.Context(), fx, Job{"ft.timer", Stop}))
	must(t, m.HoldTimers(fx, []string{"ft.timer"}))
	must(t, m.Reload(t.Context(), fx))
	must(t, m.job(t.Context(), fx, Job{"ft.timer", Start}))
	must(t, m.ReleaseTimers(t.Context(), fx, []string{"ft.timer"}))
	eventually(t, "the new schedule is in force", 40*time.Second, func() bool { return runs(t, file) == before+1 })
}

// testEnding lets a service end by itself with a companion that cannot, and puts an end to one that does not.
func testEnding(t *testing.T, m *Manager) {
	write(t, m, map[string]string{
		"fe-net.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
		"fe-willing.service": "[Unit]\nRequires=fe-net.service\nAfter=fe-net.service\n[Service]\nRestart=always\nRestartSec=100ms\n" +
			"ExecStart=/bin/sh -c 'while [ ! -e /run/fe-end ]; do sleep .1; done; rm /run/fe-end'\n",
		"fe-unwilling.service": "[Service]\nRestart=always\nExecStart=/bin/sleep infinity\n",
	})
	names := []string{"fe-net.service", "fe-willing.service", "fe-unwilling.service"}
	for _, r := range m.Jobs(t.Context(), fx, []Job{{names[1], Start}, {names[2], Start}}, 30*time.Second, nil) {
		if !r.OK() {
			t.Fatal(m.Explain(t.Context(), r))
		}
	}
	ids := func() [3]string {
		units, err := m.Units(t.Context(), names)
		must(t, err)
		return [3]string{units[names[0]].InvocationID, units[names[1]].InvocationID, units[names[2]].InvocationID}
	}
	before := ids()
	endings := []Ending{
		{Name: "fleetending-t-willing", Unit: names[1], With: names[:1], Limit: time.Hour},
		{Name: "fleetending-t-unwilling", Unit: names[2], Limit: 4 * time.Second},
	}
	for _, e := range append(endings, endings...) { // a second time replaces the first
		must(t, m.SeeToEnding(t.Context(), fx, e))
	}
	must(t, m.Reload(t.Context(), fx))
	time.Sleep(time.Second)
	if got := ids(); got[0] != before[0] || got[1] != before[1] {
		t.Errorf("a session in progress was ended: %v, before %v", got, before)
	}
	must(t, os.WriteFile("/run/fe-end", nil, 0o644))
	eventually(t, "all three run anew, and nobody waits any more", 60*time.Second, func() bool {
		got := ids()
		return got[0] != before[0] && got[1] != before[1] && got[2] != before[2] &&
			!m.Running(t.Context(), "fleetending-t-willing.service") && !m.Running(t.Context(), "fleetending-t-unwilling.service") &&
			m.Running(t.Context(), names[1]) && m.Running(t.Context(), names[2])
	})
	must(t, m.SeeToEnding(t.Context(), fx, Ending{Name: "fleetending-t-none", Unit: "fe-none.service", Limit: time.Hour}))
	if m.Running(t.Context(), "fleetending-t-none.service") {
		t.Error("what does not run needs nobody to wait for it")
	}
}
