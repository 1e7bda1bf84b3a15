//go:build linux

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/model"
	"fleet/schemas/schematest"
	"fleet/schemas/status"
)

// fakes are the programs of the host that the watchdog asks. What systemd says of a unit lies in fake/UNIT, what it was
// told is noted in fake/done.
var fakes = map[string]string{
	"systemctl": `#!/bin/sh
last() { shift $(($# - 1)); echo "$1"; }
unit=$(last "$@")
case "$*" in
*TriggeredBy*)
	echo "${unit%.service}.socket ${unit%.service}-lead.socket"
	exit
	;;
*--value*) # of a gate or a daemon: its socket listens, its service does not run
	for unit; do
		case $unit in
		*.socket) cat "$FAKE/$unit" 2>/dev/null || echo active && echo ;;
		*-gate.service | *-sidecar-*.service | *-chat.service) cat "$FAKE/$unit" 2>/dev/null || echo inactive ;;
		esac
	done
	exit
	;;
esac
case $1 in
show) cat "$FAKE/$unit" 2>/dev/null || printf 'ActiveState=active\nResult=success\nMainPID=1\nNRestarts=0\nInvocationID=aa\n' ;;
is-active) [ ! -e "$FAKE/$unit.dead" ] ;;
is-failed) [ -e "$FAKE/$unit.failed" ] ;;
reset-failed | restart) (
	verb=$1
	shift
	[ "$1" != -- ] || shift
	echo "$verb $*" >>"$FAKE/done"
) ;;
*) echo "$1 $unit" >>"$FAKE/done" ;;
esac
`,
	"nft":        "#!/bin/sh\n[ ! -e \"$FAKE/no-table\" ]\n",
	"journalctl": "#!/bin/sh\ncat \"$FAKE/oom\" 2>/dev/null\n",
	"df":         "#!/bin/sh\necho Filesystem\necho \"/dev/x 100 50 50 $(cat \"$FAKE/full\" 2>/dev/null || echo 50)% /\"\n",
	"curl":       "#!/bin/sh\necho \"ping $*\" >>\"$FAKE/done\"\n",
}

type dog struct{ *host }

// newDog is a fleet of lead, which runs, and old, which is disabled.
func newDog(t *testing.T, change ...func(*model.Fleet)) dog {
	t.Helper()
	m := one("headless")
	m.Agents = append(m.Agents, model.Agent{Key: "old", User: "demo-old"})
	m.Operators = strconv.Itoa(os.Getgid())
	for _, f := range change {
		f(m)
	}
	d := dog{newHost(t, m)}
	for name, text := range fakes {
		d.write("/bin/"+name, text)
	}
	d.mkdir("/fake")
	d.beat(0)
	return d
}

// beat moves the heartbeat to the given number of seconds from now.
func (d dog) beat(seconds int) {
	d.t.Helper()
	d.write(d.own("beat"), "")
	at := time.Now().Add(time.Duration(seconds) * time.Second)
	if err := os.Chtimes(d.at(d.own("beat")), at, at); err != nil {
		d.t.Fatal(err)
	}
}

func (d dog) unit(lines ...string) {
	d.write("/fake/fleet-demo-lead.service", strings.Join(lines, "\n")+"\n")
}

// run lets the watchdog look once and returns what it said and what it did.
func (d dog) run() (said, did string) {
	d.t.Helper()
	os.Remove(d.at("/fake/done"))
	cmd := d.command("libexec/watchdog")
	cmd.Env = append(cmd.Env, "FAKE="+d.at("/fake"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("watchdog: %v\n%s", err, out)
	}
	done, _ := os.ReadFile(d.at("/fake/done"))
	return string(out), string(done)
}

func (d dog) status() *status.Status {
	d.t.Helper()
	text := []byte(d.read(d.m.RunDir() + "/status.json"))
	schematest.Accepts(d.t, "../../schemas/status/status.schema.json", text)
	s, err := status.Parse(text)
	if err != nil {
		d.t.Fatalf("%v\n%s", err, text)
	}
	return s
}

func (d dog) lead() status.Agent { return d.status().Agents[0] }

func (d dog) expect(what, text string, parts ...string) {
	d.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			d.t.Errorf("%s: no %q in %q", what, part, text)
		}
	}
	if len(parts) == 0 && text != "" {
		d.t.Errorf("%s: got %q", what, text)
	}
}

func TestWatchdogWell(t *testing.T) {
	t.Parallel()
	d := newDog(t, func(m *model.Fleet) { m.Watchdog.HeartbeatURL = "https://ping.example.com/a b" })
	d.write("/etc/fleet/demo/generations/7/manifest.json", "{\n  \"version\": 1,\n  \"id\": \""+strings.Repeat("ab", 32)+"\"\n}\n")
	for link, to := range map[string]string{"/run/fleet/demo/active": d.at("/etc/fleet/demo/generations/7"), "/etc/fleet/demo/boot": "generations/7"} {
		if err := os.Symlink(to, d.at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("12", d.at(d.own("session"))); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		d.beat(-50 + 10*i)
		said, did := d.run()
		d.expect("said", said)
		d.expect("did", did, "ping -fsS -m 10 -o /dev/null -- https://ping.example.com/a b\n")
	}
	got := d.status()
	if got.Source != status.SourceWatchdog || !got.Healthy || got.Generation.Number != 7 || got.Generation.State != status.Confirmed ||
		got.Generation.Boot != 7 || got.Generation.ID != strings.Repeat("ab", 32) || time.Since(got.Time).Abs() > time.Minute {
		t.Errorf("%+v", got)
	}
	lead := got.Agents[0]
	if lead.State != status.Working || !lead.Healthy || lead.Session == nil || lead.Session.N != 12 || lead.LastBeat.IsZero() {
		t.Errorf("%+v", lead)
	}
	if old := got.Agents[1]; old.Key != "old" || old.State != status.Disabled {
		t.Errorf("%+v", old)
	}
	if st, err := os.Stat(d.at(d.m.RunDir() + "/status.json")); err != nil || st.Mode() != 0o640 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

func TestWatchdogRestartsTheDead(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	d.unit("ActiveState=failed", "Result=exit-code", "MainPID=0", "NRestarts=0", "InvocationID=aa")
	d.write("/fake/fleet-demo-lead.service.dead", "")
	said, did := d.run()
	d.expect("first", said, "<4>fleet demo: agent lead is dead (exit-code): restarting it", "does not start")
	d.expect("first", did, "restart fleet-demo-lead.service\n")
	if strings.Contains(said, "ALERT") {
		t.Errorf("an alert after one failure: %q", said)
	}
	if lead := d.lead(); lead.State != status.Failed || lead.Healthy || d.status().Healthy {
		t.Errorf("%+v", lead)
	}
	said, _ = d.run()
	d.expect("second", said, "<3>fleet demo: ALERT: agent lead is dead")
	if said, _ = d.run(); strings.Contains(said, "ALERT") {
		t.Errorf("alerted twice: %q", said)
	}
	os.Remove(d.at("/fake/fleet-demo-lead.service"))
	os.Remove(d.at("/fake/fleet-demo-lead.service.dead"))
	said, did = d.run()
	d.expect("recovery", said+did, "<3>fleet demo: RECOVERED: agent lead")
	said, did = d.run()
	d.expect("after it", said+did)
}

// The unit is active and its process is gone.
func TestWatchdogRestartsWithoutProcess(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	d.unit("ActiveState=active", "Result=success", "MainPID=999999999", "NRestarts=0", "InvocationID=aa")
	_, did := d.run()
	d.expect("did", did, "restart fleet-demo-lead.service\n")
}

// Who was stopped by a person stays stopped, by the tool or by systemctl alone.
func TestWatchdogLeavesTheStopped(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	d.unit("ActiveState=inactive", "Result=success", "MainPID=0", "NRestarts=0", "InvocationID=")
	said, did := d.run()
	d.expect("stopped by systemctl", said+did)
	d.unit("ActiveState=failed", "Result=timeout", "MainPID=0", "NRestarts=0", "InvocationID=")
	d.write("/var/lib/fleet/demo/stopped/lead", "")
	said, did = d.run()
	d.expect("stopped by fleet", said+did)
	if lead := d.lead(); lead.State != status.Stopped || !lead.Healthy {
		t.Errorf("%+v", lead)
	}
}

func TestWatchdogRestartsTheStalled(t *testing.T) {
	for name, c := range map[string]struct {
		beat func(d dog, run int)
		want int // run in which it restarts, 0 is never
	}{
		"silent":        {func(d dog, run int) {}, 3},
		"beats":         {func(d dog, run int) { d.beat(-10 + run) }, 0},
		"once silent":   {func(d dog, run int) { d.beat(run / 2) }, 0},
		"in the future": {func(d dog, run int) { d.beat(1000 + run) }, 3},
		"no beat":       {func(d dog, run int) { os.Remove(d.at(d.own("beat"))) }, 3},
		"a link": {func(d dog, run int) {
			os.Remove(d.at(d.own("beat")))
			os.Symlink("/etc/passwd", d.at(d.own("beat")))
			d.still()
		}, 3},
		"a FIFO": {func(d dog, run int) {
			os.Remove(d.at(d.own("beat")))
			syscall.Mkfifo(d.at(d.own("beat")), 0o600)
			d.still()
		}, 3},
		"a new start": {func(d dog, run int) {
			d.unit("ActiveState=active", "Result=success", "MainPID=1", "NRestarts=0", fmt.Sprint("InvocationID=", run/2))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDog(t)
			got := 0
			for run := 1; run <= 5 && got == 0; run++ {
				c.beat(d, run)
				if said, did := d.run(); strings.Contains(did, "restart") {
					d.expect("said", said, "agent lead is stalled")
					got = run
				}
			}
			if got != c.want {
				t.Errorf("restarted in run %d, want %d", got, c.want)
			}
		})
	}
}

// still sets the time of whatever is there, without following it.
func (d dog) still() {
	exec.Command("touch", "-h", "-d", "@1700000000", d.at(d.own("beat"))).Run() //nolint:errcheck // seen by the test
}

// systemd starts it again and again: in the end it is stopped, and stays so.
func TestWatchdogStopsACrashLoop(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	restarts := 0
	window := func() (string, string) {
		t.Helper()
		restarts += 5
		d.unit("ActiveState=activating", "Result=exit-code", "MainPID=0", fmt.Sprint("NRestarts=", restarts), "InvocationID=aa")
		d.write("/run/fleet/demo/watchdog/lead.window", fmt.Sprintln(time.Now().Unix()-301))
		return d.run()
	}
	d.run()
	said, did := window()
	d.expect("first window", said, "breaks down again and again")
	d.expect("first window", did)
	if lead := d.lead(); lead.Healthy || lead.Reason != "crash loop" {
		t.Errorf("%+v", lead)
	}
	said, did = window()
	d.expect("second window", said, "<3>fleet demo: ALERT: agent lead is stopped: crash loop; sudo fleet start lead starts it again")
	d.expect("second window", did, "stop fleet-demo-lead.service\n")
	if !d.exists("/var/lib/fleet/demo/stopped/lead") {
		t.Error("it is not kept stopped")
	}
	said, did = window()
	d.expect("afterwards", said+did)
}

// One restart in a window is a switch or a person's, no crash loop.
func TestWatchdogForgivesRestarts(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	for restarts := range 6 {
		d.unit("ActiveState=active", "Result=success", "MainPID=1", fmt.Sprint("NRestarts=", restarts), "InvocationID=aa")
		d.write("/run/fleet/demo/watchdog/lead.window", fmt.Sprintln(time.Now().Unix()-301))
		d.beat(restarts)
		if said, did := d.run(); said+did != "" {
			t.Errorf("%q, %q", said, did)
		}
	}
}

func TestWatchdogTellsWhatTheRunnerSays(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	problem := func(word string, run int) string {
		t.Helper()
		os.Remove(d.at(d.own("problem")))
		if err := os.Symlink(word, d.at(d.own("problem"))); err != nil {
			t.Fatal(err)
		}
		d.beat(run)
		said, did := d.run()
		d.expect(word, did)
		return said
	}
	d.expect("limit", problem("limit-1795181012", 1), "<3>fleet demo: ALERT: agent lead waits: usage limit until 2026-11-20T13:23:32Z")
	d.expect("the same limit", problem("limit-1795181012", 2))
	if lead := d.lead(); !lead.Healthy || lead.Reason != "usage limit until 2026-11-20T13:23:32Z" {
		t.Errorf("%+v", lead)
	}
	d.expect("used up again", problem("limit-1795184612", 2))
	d.expect("harness", problem("harness", 3), "<4>fleet demo: agent lead: its harness is missing")
	d.expect("harness again", problem("harness", 4), "<3>fleet demo: ALERT: agent lead: its harness is missing (2 times in a row)")
	d.expect("another limit", problem("limit-1795188212", 5), "<3>fleet demo: ALERT: agent lead waits: usage limit until 2026-11-20T15:23:32Z", "RECOVERED")
}

// EGR-E31: whatever an agent plants where the watchdog looks, it is not followed, opened, waited for or shown.
func TestE31WatchdogReadsNothingOfAgents(t *testing.T) {
	names := []string{"beat", "session", "problem", "status"}
	plants := map[string]func(path string) error{
		"fifo":         func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"folder":       func(p string) error { return os.MkdirAll(p+"/x", 0o700) },
		"link to root": func(p string) error { return os.Symlink("/etc/shadow", p) },
		"escape":       func(p string) error { return os.Symlink("\x1b]0;x\x07\"},{$(touch pwned)`id`", p) },
		"numbers":      func(p string) error { return os.Symlink("0008", p) },
		"long number":  func(p string) error { return os.Symlink(strings.Repeat("9", 3000), p) },
		"limit":        func(p string) error { return os.Symlink("limit-99999999999999999", p) },
		"limit octal":  func(p string) error { return os.Symlink("limit-08", p) },
		"lines":        func(p string) error { return os.Symlink("12\n<0>x", p) },
		"loop":         func(p string) error { return os.Symlink(p, p) },
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDog(t)
			for _, n := range names {
				os.Remove(d.at(d.own(n)))
				if err := plant(d.at(d.own(n))); err != nil {
					t.Fatal(err)
				}
			}
			begin := time.Now()
			said, _ := d.run()
			if time.Since(begin) > 10*time.Second {
				t.Errorf("took %v", time.Since(begin))
			}
			for _, line := range strings.SplitAfter(said, "\n") {
				if line != "" && !strings.HasPrefix(line, "<") || strings.ContainsAny(line, "\x1b\x07`$") {
					t.Errorf("said %q", line)
				}
			}
			if lead := d.lead(); strings.ContainsAny(lead.Reason, "\x1b\x07`$") {
				t.Errorf("%+v", lead)
			}
		})
	}
}

func TestWatchdogDisk(t *testing.T) {
	t.Parallel()
	d := newDog(t, func(m *model.Fleet) { m.Agents[0].Limits.Disk = 64 << 40 })
	d.write("/bin/du", "#!/bin/sh\necho 70000000000000 total\n")
	d.beat(1)
	said, did := d.run()
	d.expect("little", said+did)
	os.Remove(d.at("/bin/du"))
	d = newDog(t, func(m *model.Fleet) { m.Agents[0].Limits.Disk = 1 << 20 })
	d.write("/home/demo-lead/big", strings.Repeat("x", 2<<20))
	said, did = d.run()
	d.expect("too much", said, "<3>fleet demo: ALERT: agent lead is stopped: it uses ", " bytes of disk, its limit is 1048576")
	d.expect("too much", did, "stop fleet-demo-lead.service\n")
}

// du follows no link out of the home, and files that cannot be counted end in a stop.
func TestWatchdogDiskIsNotFooled(t *testing.T) {
	t.Parallel()
	d := newDog(t, func(m *model.Fleet) { m.Agents[0].Limits.Disk = 1 << 20 })
	d.write("/elsewhere/big", strings.Repeat("x", 2<<20))
	if err := os.Symlink(d.at("/elsewhere"), d.at("/home/demo-lead/link")); err != nil {
		t.Fatal(err)
	}
	said, did := d.run()
	d.expect("a link", said+did)
	d.write("/bin/du", "#!/bin/sh\nexit 1\n")
	d.beat(1)
	d.run()
	d.beat(2)
	said, did = d.run()
	d.expect("countless", said, "ALERT: agent lead is stopped: its files cannot be counted")
	d.expect("countless", did, "stop fleet-demo-lead.service\n")
}

func TestWatchdogProject(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	d.run()
	d.write("/fake/no-table", "")
	d.beat(1)
	said, did := d.run()
	d.expect("no table", said, "<4>fleet demo: not so: the firewall holds the table fleet_demo")
	d.expect("no table", did, "reload fleet-demo-firewall.service\n")
	if s := d.status(); s.Healthy || len(s.Reasons) != 1 {
		t.Errorf("%+v", s)
	}
	d.write("/fake/fleet-demo-firewall.service.dead", "")
	d.beat(2)
	said, did = d.run()
	d.expect("no firewall", said, "<3>fleet demo: ALERT: not so: the firewall holds the table")
	d.expect("no firewall", did, "start fleet-demo-firewall.service\n")
	os.Remove(d.at("/fake/no-table"))
	os.Remove(d.at("/fake/fleet-demo-firewall.service.dead"))
	d.write("/fake/full", "97")
	d.write("/fake/oom", "fleet-demo-lead.service\nfleet-demo-lead.service\nother.service\n")
	d.beat(3)
	said, _ = d.run()
	d.expect("later", said, "<3>fleet demo: RECOVERED: the firewall holds the table fleet_demo",
		"not so: the file system of "+d.at("/home")+" has room", "<3>fleet demo: ALERT: fleet-demo-lead.service ran out of memory 2 times")
	if strings.Contains(said, "other.service") {
		t.Errorf("tells of others: %q", said)
	}
}

// While a switch holds its lock the watchdog keeps its hands off.
func TestWatchdogWaitsForASwitch(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	d.unit("ActiveState=failed", "Result=exit-code", "MainPID=0", "NRestarts=0", "InvocationID=aa")
	d.write("/run/fleet/lock-demo", "")
	f, err := os.Open(d.at("/run/fleet/lock-demo"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	said, did := d.run()
	d.expect("during a switch", said, "a switch is in progress")
	d.expect("during a switch", did)
	f.Close()
	_, did = d.run()
	d.expect("after it", did, "restart fleet-demo-lead.service\n")
}

// Where time runs out the next run goes on behind the agent that was measured last.
func TestWatchdogMeasuresInTurn(t *testing.T) {
	t.Parallel()
	d := newDog(t, func(m *model.Fleet) {
		m.Agents = nil
		for _, key := range []string{"a", "b", "c"} {
			m.Agents = append(m.Agents, model.Agent{
				Key: key, User: "demo-" + key, Enabled: true, Limits: model.Limits{Disk: 1 << 30},
				Harness: model.Harness{Headless: []string{"x"}},
			})
		}
	})
	d.write("/bin/du", "#!/bin/sh\necho \"$*\" >>\"$FAKE/measured\"\necho 1 total\n")
	d.write("/run/fleet/demo/watchdog/measured", "b\n")
	d.run()
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(d.read("/fake/measured")), "\n") {
		got = append(got, line[strings.LastIndex(line, "/")+1:])
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, got); diff != "" {
		t.Error(diff)
	}
}
