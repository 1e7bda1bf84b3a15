//go:build machine

package contain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
)

// besiegers are agents of both modes that resist.
var besiegers = []string{"n1", "u1"}

// besiege has agents resist in one way until their units end.
func (f *fleet) besiege(how string) {
	f.t.Helper()
	f.send("begin "+how, besiegers...)
	for _, key := range besiegers {
		f.Eventually(how+" of "+key, actTime, func() error {
			if out, exit := f.Try("test", "-e", "/run/fleet/demo/"+key+"/own/besieged"); exit != 0 {
				return fmt.Errorf("not yet %s", out)
			}
			return nil
		})
	}
}

// within fails the test where something takes longer than limit.
func (f *fleet) within(limit time.Duration, what string, do func()) {
	f.t.Helper()
	began := time.Now()
	do()
	took := time.Since(began)
	f.t.Logf("%s took %s", what, took.Round(100*time.Millisecond))
	if took > limit {
		f.t.Errorf("%s took %s, limit %s", what, took, limit)
	}
}

// switched switches to another prompt for the besiegers and wants them to run it: the agents are the losers.
func (f *fleet) switched(prompt string) {
	f.t.Helper()
	change := fmt.Sprintf("{ agents+: { n1+: { prompt: '%s' }, u1+: { prompt: '%s' } } }", prompt, prompt)
	before := f.Invocations()
	dir := f.Build(spec(change))
	f.within(80*time.Second, "the switch", func() { f.Switch(dir, "--now") })
	after := f.Invocations()
	for _, key := range besiegers {
		unit := "fleet-demo-" + key + ".service"
		if before[unit] == after[unit] || !strings.HasPrefix(after[unit], "active") {
			f.t.Errorf("%s (%s): was %s, is %s", key, isolation[key], before[unit], after[unit])
		}
		if left, _ := f.Try("pgrep", "-u", "demo-"+key, "-fa", program+" (siege|fork-on|lock-out)"); left != "" {
			f.t.Errorf("%s (%s): still there: %s", key, isolation[key], left)
		}
	}
}

// freed has agents make room.
func (f *fleet) freed() {
	f.t.Helper()
	f.send("forget", besiegers...)
	for _, key := range besiegers {
		f.told(key, "forget")
	}
}

// Small file systems, so that they are full in a moment.
func small() machine.Options {
	return machine.Options{RunSize: "64m", Volumes: []machine.Volume{{Path: "/home", Size: "48m"}, {Path: "/var/lib/fleet", Size: "192m"}}}
}

// Agents that ignore signals, fork, fill every disk and hold ports hold up neither a switch nor a stop nor an uninstall.
func TestEGRE32Siege(t *testing.T) {
	t.Parallel()
	f := boot(t, small())
	f.besiege("siege")
	f.switched("idle again")
	f.freed()
	f.besiege("siege")
	f.within(40*time.Second, "stop", func() { f.MustRun("fleet", "stop", "n1") })
	f.gone("n1")
	f.within(60*time.Second, "uninstall", func() { f.MustRun("fleet", "uninstall", "--purge") })
	f.gone("u1")
}

// Agents that kill what proves their walls, from their first moment on, keep no probe from its end: they are stopped for
// it and started after it.
func TestEGRE32Killer(t *testing.T) {
	t.Parallel()
	f := bare(t, small())
	const change = `{ agents+: { [key]+: { hooks: { before: {
		script: 'setsid hostile agent -- kill-others >/dev/null 2>&1 </dev/null & # %d' } } } for key in ['n1', 'u1'] } }`
	var out string
	for try := range 5 { // a probe may be through before it is found
		dir := f.Build(spec(fmt.Sprintf(change, try)))
		f.within(80*time.Second, "the switch", func() { out = f.Switch(dir, "--now") })
		if strings.Contains(out, "once more, without the agent") {
			return
		}
	}
	t.Errorf("no agent has killed its probe:\n%s", out)
}

// Agents that close their own folders, or put there what cannot be opened, are started all the same.
func TestEGRE32LockOut(t *testing.T) {
	t.Parallel()
	f := boot(t, small())
	f.besiege("lock-out")
	f.switched("idle again")
}

// Where agents have filled the file system that holds their records and root's state as well, a switch ends in time and
// changes nothing, and they can be stopped.
func TestEGRE32FullDisk(t *testing.T) {
	t.Parallel()
	f := boot(t, small())
	f.send("begin fill-records", besiegers...)
	f.Eventually("a full disk", actTime, func() error {
		if out := f.MustRun("df", "--output=avail", "/var/lib/fleet"); !strings.HasSuffix(out, "\n    0") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	before := f.Invocations()
	dir := f.Build(spec(`{ agents+: { n1+: { prompt: 'idle again' } } }`))
	f.within(80*time.Second, "the switch", func() {
		exit, out, errOut := f.Fleet("switch", "--no-confirm", "--now", dir)
		if exit != 3 || !strings.Contains(errOut+out, "has 0 KiB free") {
			t.Errorf("exit status %d: %s%s", exit, errOut, out)
		}
	})
	after := f.Invocations()
	for unit, was := range before {
		if after[unit] != was {
			t.Errorf("%s: was %s, is %s", unit, was, after[unit])
		}
	}
	if active, boot := f.Generation(); active != "1" || boot != "1" {
		t.Errorf("generation %s is live, %s boots", active, boot)
	}
	f.within(40*time.Second, "stop", func() { f.MustRun("fleet", "stop", "n1", "u1") })
	f.gone("n1")
	f.gone("u1")
	f.Sh("rm -f /var/lib/fleet/demo/records/*/fill-*")
	f.Switch(dir)
}

// Agents that take every pseudo-terminal that they get leave those of the host.
func TestEGRE32Terminals(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.besiege("hold-terminals")
	out, exit := f.Try("script", "-qec", "tty", "/dev/null")
	if exit != 0 || !strings.HasPrefix(out, "/dev/pts/") {
		t.Errorf("the host has no terminal left: %s", out)
	}
	f.MustRun("systemctl", "restart", "fleet-demo-n1.service", "fleet-demo-u1.service")
}

// gone wants no process of the agent's user.
func (f *fleet) gone(key string) {
	f.t.Helper()
	out, _ := f.Try("sh", "-c", "ps -o pid,user:20,args -e | grep '[d]emo-"+key+"' | grep -v 'demo-"+key+"-gate '")
	if out != "" {
		f.t.Errorf("%s (%s): still there:\n%s", key, isolation[key], out)
	}
}
