//go:build machine

package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/schemas/manifest/manifesttest"
	"fleet/schemas/state"
)

// insideEnv tells this test program that it runs in the machine.
const insideEnv = "FLEET_TEST_INSIDE"

// inside is this test program in the machine.
const inside = "/usr/local/bin/install.test"

// cases run in one machine, in this order: each leaves the host as it found it.
var cases = []struct {
	name string
	test func(*testing.T, *site)
}{
	{"installs once", testInstall},
	{"ACT-B22 probe", testProbe},
	{"ACT-B33 noexec folder", testNoExec},
	{"sudoers line", testSudoersLine},
	{"anchor", testAnchor},
	{"ACT-B11 damaged store", testDamagedStore},
	{"ACT-B18 foreign reloads", testForeignReloads},
	{"ACT-B2 B4 dead man, killed twice", testDeadman},
	{"ACT-B27 first switch", testFirst},
	{"ACT-B30 remove", testRemove},
}

func TestMachine(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.test(t, newSite(t)) })
		}
		return
	}
	self, err := os.Executable()
	must(t, err)
	m := machinetest.New(t, machinetest.Options{Bare: true, Options: machine.Options{
		RunNoExec: true, // ACT-B33
		Volumes:   []machine.Volume{{Path: "/var", Size: "64m"}},
		Files:     []machine.File{{Outside: self, Inside: inside}},
	}})
	out, exit := m.Try("env", insideEnv+"=1", "TMPDIR=/root", inside, "-test.run=^TestMachine$", "-test.v")
	if exit != 0 || strings.Count(out, "--- PASS: TestMachine/") != len(cases) {
		t.Errorf("exit status %d\n%s", exit, out)
	}
}

// TestReboot proves what a boot takes: what was confirmed, else what was confirmed before, never what is damaged, on a
// host with a separate /var that no generator can read (ACT-B11, ACT-B33).
func TestReboot(t *testing.T) {
	if step := os.Getenv(insideEnv); step != "" {
		s := newSite(t)
		switch step {
		case "prepare":
			must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
			for n := 1; n <= 3; n++ {
				s.generation(n)
				must(t, s.p.Confirm(n))
			}
			s.generation(4)
			must(t, s.p.SetActive(4))
			must(t, s.m.Reload(t.Context(), s.fx))
			s.systemctl("start", "fleet-demo.target")
			s.runs(4)
		default:
			var want int
			fmt.Sscan(step, &want)
			s.runs(want)
			if n, err := s.p.Active(); err != nil || n != want {
				t.Errorf("active is %d, %v", n, err)
			}
		}
		return
	}
	self, err := os.Executable()
	must(t, err)
	m := machinetest.New(t, machinetest.Options{Bare: true, Options: machine.Options{
		Volumes: []machine.Volume{{Path: "/var", Size: "64m"}},
		Files:   []machine.File{{Outside: self, Inside: inside}},
	}})
	step := func(name string) {
		t.Helper()
		if out, exit := m.Try("env", insideEnv+"="+name, inside, "-test.run=^TestReboot$", "-test.v"); exit != 0 || !strings.Contains(out, "PASS") {
			t.Errorf("%s: exit status %d\n%s", name, exit, out)
		}
	}
	step("prepare")
	m.MustReboot()
	step("3") // 4 was never confirmed
	m.Sh("chmod u+w /etc/fleet/demo/generations/3/units/fleet-demo-a.service && : >/etc/fleet/demo/generations/3/units/fleet-demo-a.service")
	m.PowerCut()
	step("2")
	if got := m.Show("fleet-demo-anchor.service", "Description")["Description"]; !strings.Contains(got, "generation 2") {
		t.Errorf("anchor: %q", got)
	}
	m.Sh("rm /etc/fleet/demo/generations/2/files.sha256; echo x >>/etc/fleet/demo/generations/1/manifest.json; rm -r /etc/fleet/demo/generations/1/tmpfiles.d")
	m.MustReboot()
	anchor := m.Show("fleet-demo-anchor.service", "ActiveState", "Description")
	if anchor["ActiveState"] != "failed" || m.Show("fleet-demo-a.service", "LoadState")["LoadState"] != "not-found" {
		t.Errorf("no generation is whole: %v", anchor)
	}
	if out := m.Sh("journalctl -b -u fleet-demo-anchor.service"); !strings.Contains(out, "fleet verify tells what is wrong with 3 2 1") {
		t.Errorf("no reason in the journal:\n%s", out)
	}
}

// site is the machine as a test inside it sees it.
type site struct {
	*testing.T
	m  *systemd.Manager
	p  *profile.Profile
	fx *counted
}

// counted makes every change and counts them.
type counted struct{ n int }

func (c *counted) Do(_ string, f func() error) error {
	c.n++
	return f()
}

func newSite(t *testing.T) *site {
	t.Helper()
	m, err := systemd.Connect(t.Context())
	must(t, err)
	t.Cleanup(m.Close)
	fx := &counted{}
	return &site{T: t, m: m, fx: fx, p: profile.New(profile.Layout{Project: "demo"}, fx)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) systemctl(args ...string) string {
	s.Helper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		log, _ := exec.Command("journalctl", "-b", "-n", "30", "--no-pager").CombinedOutput()
		s.Fatalf("systemctl %q: %v\n%s\n%s", args, err, out, log)
	}
	return strings.TrimSpace(string(out))
}

func (s *site) show(unit, property string) string {
	s.Helper()
	return s.systemctl("show", "--property="+property, "--value", unit)
}

// generation imports generation n of demo: services a and b, whose text says n; c, the same in all; and only-N.
func (s *site) generation(n int) {
	s.Helper()
	tree := manifesttest.Empty("demo")
	tree.File("libexec/sleep", "0555", "#!/bin/sh\nexec sleep 1000000\n")
	tree.File("tmpfiles.d/demo.conf", "0444", "d /run/fleet/demo 0755 root root\nd /run/fleet/demo/units 0755 root root\n")
	tree.File("sudoers.d/demo", "0440", "# none\n")
	service := func(name, text string) string {
		unit := "fleet-demo-" + name + ".service"
		digest := manifesttest.Hash(name + text)[:32]
		tree.Unit(unit, "", "restart", "[Unit]\nDescription="+text+"\nRequires=fleet-demo-anchor.service\nAfter=fleet-demo-anchor.service\n"+
			"[Service]\nExecStartPre=/bin/sh -c 'echo "+digest+" $INVOCATION_ID >/run/fleet/demo/units/%n'\nExecStart="+tree.Store("libexec/sleep")+"\n")
		return unit
	}
	wants := []string{service("a", fmt.Sprint(n)), service("b", fmt.Sprint(n)), service("c", "same"), service(fmt.Sprint("only-", n), "x")}
	tree.Unit("fleet-demo.target", "", "", "[Unit]\nRequires=fleet-demo-anchor.service\nAfter=fleet-demo-anchor.service\nWants="+strings.Join(wants, " ")+"\n")
	tree.Link("units/multi-user.target.wants/fleet-demo.target", "../fleet-demo.target")
	dir := filepath.Join(s.TempDir(), "build")
	tree.Write(s, dir)
	got, err := s.p.Import(s.Context(), profile.Source{Path: dir, Nonce: nonce})
	must(s.T, err)
	if got.Number != n {
		s.Fatalf("imported as %d, want %d", got.Number, n)
	}
}

// runs fails unless the machine runs generation n, loaded and started.
func (s *site) runs(n int) {
	s.Helper()
	for _, unit := range []string{"fleet-demo-a.service", "fleet-demo-b.service", "fleet-demo-c.service", fmt.Sprintf("fleet-demo-only-%d.service", n), "fleet-demo.target"} {
		if got := s.show(unit, "ActiveState"); got != "active" {
			s.Errorf("%s is %s", unit, got)
		}
		if got := s.show(unit, "FragmentPath"); got != "/run/systemd/generator/"+unit {
			s.Errorf("%s is loaded from %s", unit, got)
		}
	}
	for _, unit := range []string{"a", "b"} {
		if got := s.show("fleet-demo-"+unit+".service", "Description"); got != fmt.Sprint(n) {
			s.Errorf("%s is of generation %s", unit, got)
		}
		record, err := os.ReadFile("/run/fleet/demo/units/fleet-demo-" + unit + ".service")
		if want := manifesttest.Hash(unit + fmt.Sprint(n))[:32]; err != nil || !strings.HasPrefix(string(record), want) {
			s.Errorf("%s runs %q, %v", unit, record, err)
		}
	}
	text, err := os.ReadFile("/run/systemd/generator/fleet-demo-anchor.service")
	if err != nil || !strings.Contains(string(text), fmt.Sprintf("\nX-Fleet-Generation=%d\n", n)) {
		s.Errorf("anchor: %v\n%s", err, text)
	}
}

// clear takes everything of fleet's away again.
func (s *site) clear() {
	s.Helper()
	for _, unit := range strings.Fields(s.systemctl("list-units", "--plain", "--no-legend", "--all", "fleet-demo*")) {
		if strings.HasPrefix(unit, "fleet-demo") {
			exec.Command("systemctl", "stop", "--", unit).Run()         //nolint:errcheck // not all of them run
			exec.Command("systemctl", "reset-failed", "--", unit).Run() //nolint:errcheck // nor have failed
		}
	}
	must(s.T, Remove(s.fx, s.p.Layout))
	must(s.T, s.p.Uninstall(false))
	must(s.T, s.m.Reload(s.Context(), s.fx))
}

func testInstall(t *testing.T, s *site) {
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	if got := Generator(s.p.Layout); got != "/usr/local/lib/systemd/system-generators/fleet" {
		t.Errorf("generator at %q", got)
	}
	if got := s.show(probeUnit, "LoadState"); got != "not-found" {
		t.Errorf("the probe unit is %s", got)
	}
	s.fx.n = 0
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	if s.fx.n != 0 {
		t.Errorf("installing again made %d changes", s.fx.n)
	}
	must(t, os.WriteFile("/usr/local/lib/systemd/system-generators/fleet", []byte("#!/bin/sh\n"+generatorMark+" of an older version\n"), 0o755))
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	if Generator(s.p.Layout) == "" {
		t.Error("an older version was left")
	}
	s.clear()
}

// A generator that systemd does not run is found, whatever the reason.
func testProbe(t *testing.T, s *site) {
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	must(t, Probe(t.Context(), s.fx, s.m, s.p.Layout))
	path := Generator(s.p.Layout)
	for name, harm := range map[string]func() error{
		"not executable": func() error { return os.Chmod(path, 0o644) },
		"missing":        func() error { return os.Remove(path) },
		"exits 1":        func() error { return os.WriteFile(path, []byte("#!/bin/sh\n"+generatorMark+"\nexit 1\n"), 0o755) },
	} {
		must(t, harm())
		if err := Probe(t.Context(), s.fx, s.m, s.p.Layout); err == nil || !strings.Contains(err.Error(), "does not run fleet's generator") {
			t.Errorf("%s: %v", name, err)
		}
		must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
		must(t, Probe(t.Context(), s.fx, s.m, s.p.Layout))
	}
	must(t, os.MkdirAll("/run/systemd/system-generators", 0o755))
	must(t, os.Symlink("/dev/null", "/run/systemd/system-generators/fleet"))
	if err := Host(t.Context(), s.fx, s.m, s.p.Layout); err == nil || !strings.Contains(err.Error(), "hides fleet's generator") {
		t.Errorf("masked: %v", err)
	}
	must(t, os.Remove("/run/systemd/system-generators/fleet"))
	s.clear()
}

func testNoExec(t *testing.T, s *site) {
	dir := "/usr/local/lib/systemd/system-generators"
	must(t, os.MkdirAll(dir, 0o755))
	must(t, exec.Command("mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", dir).Run())
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	if got := Generator(s.p.Layout); got != "/etc/systemd/system-generators/fleet" {
		t.Errorf("generator at %q", got)
	}
	must(t, Remove(s.fx, s.p.Layout))
	must(t, exec.Command("umount", dir).Run())
	s.clear()
}

func testSudoersLine(t *testing.T, s *site) {
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	must(t, exec.Command("visudo", "-c", "-q").Run()) // the folder that it includes is not there yet
	tree := manifesttest.New("demo")
	tree.File("sudoers.d/demo", "0440", "nobody ALL = /usr/bin/id\n")
	dir := filepath.Join(t.TempDir(), "build")
	tree.Write(t, dir)
	_, err := s.p.Import(t.Context(), profile.Source{Path: dir, Nonce: nonce})
	must(t, err)
	if exec.Command("sudo", "-n", "-l", "-U", "nobody", "/usr/bin/id").Run() == nil {
		t.Error("rights before the generation is live")
	}
	must(t, s.p.SetActive(1))
	if out, err := exec.Command("sudo", "-n", "-l", "-U", "nobody", "/usr/bin/id").CombinedOutput(); err != nil {
		t.Errorf("no rights with the generation: %v %s", err, out)
	}
	must(t, s.p.ClearActive())
	if exec.Command("sudo", "-n", "-l", "-U", "nobody", "/usr/bin/id").Run() == nil {
		t.Error("rights after the generation")
	}
	must(t, os.Chmod("/etc/sudoers.d/fleet-demo", 0o640))
	must(t, os.WriteFile("/etc/sudoers.d/fleet-demo", []byte("ALL ALL = ALL\n"), 0o440))
	if err := Remove(s.fx, s.p.Layout); err == nil {
		t.Error("a file that somebody changed was removed")
	}
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	s.clear()
}

// up installs generation 1, confirms it, makes it live and starts it.
func (s *site) up() {
	s.Helper()
	must(s.T, Host(s.Context(), s.fx, s.m, s.p.Layout))
	s.generation(1)
	must(s.T, s.p.Confirm(1))
	must(s.T, s.p.SetActive(1))
	must(s.T, s.m.Reload(s.Context(), s.fx))
	s.systemctl("start", "fleet-demo.target")
	s.runs(1)
}

// The anchor makes the link where it is missing, and is left alone by a switch.
func testAnchor(t *testing.T, s *site) {
	s.up()
	s.systemctl("stop", "fleet-demo-anchor.service")
	if got := s.show("fleet-demo-a.service", "ActiveState"); got == "active" {
		t.Error("a unit runs without the anchor")
	}
	must(t, s.p.ClearActive())
	s.systemctl("start", "fleet-demo.target")
	if n, err := s.p.Active(); n != 1 || err != nil {
		t.Errorf("active is %d, %v", n, err)
	}
	before := s.show("fleet-demo-anchor.service", "InvocationID")
	s.generation(2)
	must(t, s.p.SetActive(2))
	must(t, s.m.Reload(t.Context(), s.fx))
	s.systemctl("restart", "fleet-demo-a.service", "fleet-demo-b.service")
	s.systemctl("start", "fleet-demo.target")
	s.runs(2)
	if after := s.show("fleet-demo-anchor.service", "InvocationID"); after != before {
		t.Error("the anchor was started again")
	}
	s.clear()
}

// A unit whose program is damaged in the store is not started.
func testDamagedStore(t *testing.T, s *site) {
	s.up()
	s.systemctl("stop", "fleet-demo.target", "fleet-demo-anchor.service")
	files, err := filepath.Glob("/var/lib/fleet/store/*-sleep")
	must(t, err)
	must(t, os.Chmod(files[0], 0o755))
	must(t, os.WriteFile(files[0], []byte("#!/bin/sh\n: other\n"), 0o755))
	if exec.Command("systemctl", "start", "fleet-demo-a.service").Run() == nil {
		t.Error("a damaged program was started")
	}
	if out, _ := exec.Command("journalctl", "-b", "-u", "fleet-demo-anchor.service").Output(); !strings.Contains(string(out), "-sleep: FAILED") {
		t.Errorf("the journal does not name the file:\n%s", out)
	}
	s.clear()
}

// Reloads by somebody else at any moment of 200 switches never load units of two generations.
func testForeignReloads(t *testing.T, s *site) {
	s.up()
	s.generation(2)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
				exec.Command("systemctl", "daemon-reload").Run() //nolint:errcheck // refused where there are too many
				n++
			}
		}
	}()
	for i := range 20 {
		want := 2 - i%2
		must(t, s.p.SetActive(want))
		must(t, s.m.Reload(t.Context(), s.fx))
		a, b := s.show("fleet-demo-a.service", "Description"), s.show("fleet-demo-b.service", "Description")
		for try := 0; a != b && try < 5; try++ { // one may be asked before a reload and the other after
			a, b = s.show("fleet-demo-a.service", "Description"), s.show("fleet-demo-b.service", "Description")
		}
		if a != fmt.Sprint(want) || b != fmt.Sprint(want) {
			t.Errorf("switch %d: a is of %s, b of %s, want %d", i, a, b, want)
		}
	}
	close(stop)
	if n := <-done; n < 20 {
		t.Errorf("only %d foreign reloads", n)
	}
	s.clear()
}

// half brings the machine to the middle of a switch from 1 to 2: the new one is live and loaded, a runs the new text, b
// was stopped and not started again, c was not touched, only-1 was stopped, only-2 was started.
func (s *site) half() *state.Txn {
	s.Helper()
	s.generation(2)
	x := &state.Txn{
		Version: 1, Project: "demo", Nonce: nonce, Action: "switch", Phase: "P10", From: 1, To: 2, Boot: 1,
		Timer: "fleetdeadman-demo", Unit: "fleetswitch-demo.service",
	}
	x.Revert.Stop = []string{"fleet-demo-only-2.service"}
	for name, text := range map[string]string{"a": "1", "b": "1", "c": "same", "only-1": "x"} {
		x.Revert.Units = append(x.Revert.Units, state.Restore{Unit: "fleet-demo-" + name + ".service", Digest: manifesttest.Hash(name + text)[:32]})
	}
	x.Revert.Units = append(x.Revert.Units, state.Restore{Unit: "fleet-demo.target"})
	must(s.T, s.p.SaveTxn(x))
	s.systemctl("stop", "fleet-demo-b.service", "fleet-demo-only-1.service")
	must(s.T, s.p.SetActive(2))
	must(s.T, s.m.Reload(s.Context(), s.fx))
	s.systemctl("restart", "fleet-demo-a.service")
	s.systemctl("start", "fleet-demo-only-2.service")
	return x
}

// The dead man brings back all that ran, though the switch hangs with the lock held and the script is killed twice.
func testDeadman(t *testing.T, s *site) {
	s.up()
	untouched := s.show("fleet-demo-c.service", "InvocationID")
	s.half()
	script, err := Revert(s.fx, s.p.Layout, nonce)
	must(t, err)
	must(t, exec.Command("systemd-run", "--unit=fleetswitch-demo", "flock", s.p.LockFile(), "sleep", "1000").Run())
	must(t, s.m.ArmTimer(t.Context(), s.fx, systemd.Deadman{Name: "fleetdeadman-demo", After: time.Second, Argv: []string{"/bin/sh", script, nonce}}))
	kills := 0
	for end := time.Now().Add(2 * time.Minute); s.result() == "" && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if kills < 2 && s.show("fleetdeadman-demo.service", "ActiveState") == "activating" {
			time.Sleep(time.Duration(kills*100) * time.Millisecond)
			if exec.Command("systemctl", "kill", "-s", "KILL", "fleetdeadman-demo.service").Run() == nil {
				kills++
			}
		}
	}
	if s.result() != "reverted" || kills != 2 {
		t.Fatalf("result %q after %d kills", s.result(), kills)
	}
	s.runs(1)
	if got := s.show("fleet-demo-only-2.service", "ActiveState"); got != "inactive" {
		t.Errorf("only-2 is %s", got)
	}
	if got := s.show("fleet-demo-c.service", "InvocationID"); got != untouched {
		t.Error("c was restarted")
	}
	for end := time.Now().Add(5 * time.Second); s.show("fleetdeadman-demo.timer", "ActiveState") == "active" && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if got := s.show("fleetdeadman-demo.timer", "ActiveState"); got == "active" {
		t.Error("the dead man is still armed")
	}
	s.systemctl("reset-failed")
	s.clear()
}

func (s *site) result() string {
	b, err := os.ReadFile(s.p.TxnResult(nonce))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// The first switch ever goes back to a host without a unit of fleet's.
func testFirst(t *testing.T, s *site) {
	must(t, Host(t.Context(), s.fx, s.m, s.p.Layout))
	s.generation(1)
	x := &state.Txn{Version: 1, Project: "demo", Nonce: nonce, Action: "switch", Phase: "P10", To: 1}
	for _, name := range []string{"a", "b", "c", "only-1"} {
		x.Revert.Stop = append(x.Revert.Stop, "fleet-demo-"+name+".service")
	}
	x.Revert.Stop = append(x.Revert.Stop, "fleet-demo.target")
	must(t, s.p.SaveTxn(x))
	must(t, s.p.SetActive(1))
	must(t, s.m.Reload(t.Context(), s.fx))
	s.systemctl("start", "fleet-demo.target")
	script, err := Revert(s.fx, s.p.Layout, nonce)
	must(t, err)
	out, err := system.Output(t.Context(), "/bin/sh", script, nonce)
	if err != nil {
		t.Errorf("%v %s", err, out)
	}
	if got := s.systemctl("list-units", "--plain", "--no-legend", "--all", "fleet-demo*"); got != "" {
		t.Errorf("left: %s", got)
	}
	if n, err := s.p.Active(); n != 0 || err != nil || s.result() != "reverted" {
		t.Errorf("active %d, %v, result %q", n, err, s.result())
	}
	s.clear()
}

// What was installed is gone again, and the host's tree is as before; the generator stays while another project needs
// it.
func testRemove(t *testing.T, s *site) {
	list := func() string {
		out, err := exec.Command("sh", "-c", "find /etc /usr/local /run/systemd/generator* /var/lib /run/fleet -not -path '/var/lib/private*' -printf '%p %M %u %l\n' 2>/dev/null | sort").Output()
		_ = err // /run/fleet is missing
		return string(out)
	}
	before := list()
	s.up()
	must(t, os.Mkdir("/etc/fleet/other", 0o750))
	must(t, Remove(s.fx, s.p.Layout))
	if Generator(s.p.Layout) == "" {
		t.Error("the generator that another project needs was removed")
	}
	must(t, os.Remove("/etc/fleet/other"))
	s.clear()
	s.clear()
	if after := list(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}
