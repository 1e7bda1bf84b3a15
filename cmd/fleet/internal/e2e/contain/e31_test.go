//go:build machine

package contain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"fleet/activate/machine"
)

// looks are what root and operators do that reads what agents wrote. KEY is the agent.
var looks = []string{
	"fleet status", "fleet status --json", "fleet status KEY", "fleet status KEY --json", "fleet logs KEY", "fleet logs KEY --json",
	"fleet logs KEY --session 1", "fleet jobs", "fleet jobs --json", "fleet send KEY idle", "systemctl start fleet-demo-watchdog.service",
	"cat /run/fleet/demo/status.json",
}

// lookTime bounds each of them on a host that has other things to do.
const lookTime = "25"

// Whatever lies where root's tools look, none of them follows, opens, runs or waits for it, and nothing of it reaches a
// terminal but printable text.
func TestEGRE31Traps(t *testing.T) {
	t.Parallel()
	// A stalled runner is not restarted here, since the traps would go with it.
	f := boot(t, machine.Options{}, `{ watchdog: { every: '5m', stalledAfter: '24h' }, agents+: {
		n1+: { schedules: { nightly: { calendar: '03:00', prompt: 'idle' } }, hooks: { before: {
			script: "printf '\\033]0;pwned\\007\\033[2J\\302\\233mpwned\\r\\010\\n<0>ALERT pwned\\n'" } } },
		u1+: { schedules: { nightly: { calendar: '03:00', prompt: 'idle' } } },
	} }`)
	f.Sh(`echo top-secret >/root/secret; chmod 0644 /root/secret`)
	f.send("begin plant", "n1", "u1")
	for _, key := range []string{"n1", "u1"} {
		f.told(key, "begin")
	}
	for _, kind := range slices.Sorted(maps.Keys(traps)) {
		for _, key := range []string{"n1", "u1"} {
			f.Sh("printf %s '" + kind + "' >/home/demo-" + key + "/trap")
		}
		for _, key := range []string{"n1", "u1"} {
			if failed := decode[[]string](f, f.told(key, "trap")); len(failed) > 0 {
				t.Errorf("%s, %s: cannot set %q", kind, key, failed)
			}
		}
		f.look(kind, "n1", "u1")
	}
	for _, path := range []string{"/etc/cron.d/contain-made"} {
		if _, exit := f.Try("test", "-e", path); exit == 0 {
			t.Errorf("%s was made", path)
		}
	}
	if got := f.ReadFile("/root/secret"); got != "top-secret\n" {
		t.Errorf("the secret is now %q", got)
	}
}

// look does all looks at agents and judges what they show.
func (f *fleet) look(kind string, keys ...string) {
	f.t.Helper()
	script, want := "", 0
	for i, key := range keys {
		for _, l := range looks {
			if i > 0 && !strings.Contains(l, "KEY") {
				continue // it shows all of them
			}
			l = strings.ReplaceAll(l, "KEY", key)
			script += fmt.Sprintf("printf '\\n### %s\\n'; timeout %s %s 2>&1; echo \"### exit $?\"\n", l, lookTime, l)
			want++
		}
	}
	began := time.Now()
	out, _ := f.Try("sh", "-c", script)
	if got := strings.Count(out, "### exit"); got != want {
		f.t.Errorf("%s: %d looks of %d ended\n%s", kind, got, want, out)
	}
	if strings.Contains(out, "### exit 124") {
		f.t.Errorf("%s: a look did not end in %s s\n%s", kind, lookTime, out)
	}
	f.clean(kind, out)
	if testing.Verbose() {
		f.t.Logf("%.20000s", out)
	}
	f.t.Logf("%s: %s", kind, time.Since(began).Round(time.Millisecond))
}

// clean wants text to be fit for a terminal, and to hold nothing that an agent may not read.
func (f *fleet) clean(what, out string) {
	f.t.Helper()
	for _, line := range strings.Split(out, "\n") {
		bad := strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) })
		if bad || strings.Contains(line, "top-secret") || strings.HasPrefix(line, "ALERT pwned") {
			f.t.Errorf("%s: shown: %q", what, line)
		}
	}
}

// What lies in a home leads nobody astray who counts its files or removes it.
func TestEGRE31Home(t *testing.T) {
	t.Parallel()
	f := boot(t, machine.Options{})
	f.send("litter", "n1", "u1")
	for _, key := range []string{"n1", "u1"} {
		f.told(key, "litter")
	}
	f.Sh("echo top-secret >/root/secret; touch /etc/canary")
	f.within(60*time.Second, "the watchdog", func() { f.MustRun("systemctl", "start", "fleet-demo-watchdog.service") })
	f.within(60*time.Second, "uninstall", func() { f.MustRun("fleet", "uninstall", "--purge") })
	for _, path := range []string{"/home/demo-n1", "/home/demo-u1", "/var/lib/fleet", "/run/fleet", "/etc/fleet"} {
		if out, exit := f.Try("ls", "-A", path); exit == 0 {
			t.Errorf("%s is still there: %s", path, out)
		}
	}
	f.Sh("test -e /etc/canary; test -e /etc/passwd; test -c /dev/zero; test ! -e /made; grep -q top-secret /root/secret")
}

// No process of another user ever talks to the agent's tmux, be it a true one or not, and what a true one passes on does
// not reach the operator's terminal.
func TestEGRE31Tmux(t *testing.T) {
	t.Parallel()
	f := boot(t, machine.Options{})
	for _, key := range []string{"n1", "u1"} {
		f.send("begin fake-tmux", key)
		f.told(key, "begin")
		f.Eventually("fake tmux of "+key, actTime, func() error {
			if _, exit := f.Try("grep", "-q", "ready", "/home/demo-"+key+"/peers"); exit != 0 {
				return fmt.Errorf("not ready")
			}
			return nil
		})
		f.view(key, 4)
		f.look("fake tmux", key)
		uid := f.MustRun("id", "-u", "demo-"+key)
		peers := strings.Split(strings.TrimSpace(f.ReadFile("/home/demo-"+key+"/peers")), "\n")
		if len(peers) < 2 {
			t.Errorf("%s (%s): nobody came to the fake tmux: %q", key, isolation[key], peers)
		}
		for _, p := range peers {
			if p != "ready" && p != "uid "+uid {
				t.Errorf("%s (%s): at the fake tmux was %s", key, isolation[key], p)
			}
		}
		f.MustRun("pkill", "-u", "demo-"+key, "-f", "fake-tmux")

		f.send("begin evil-tmux", key)
		if got := f.told(key, "evil"); got != `"\u003cnil\u003e"` {
			t.Errorf("evil tmux: %s", got)
		}
		shown := f.view(key, 4)
		for _, bad := range []string{"\x1b]52", "\x1b]0;pwned", "\x1b]2;pwned", "cHduZWQ=", "\x1bPtmux"} {
			if strings.Contains(shown, bad) {
				t.Errorf("%s (%s): the operator's terminal got %q", key, isolation[key], bad)
			}
		}
		if !strings.Contains(shown, "shown") {
			t.Errorf("%s (%s): the operator saw nothing: %q", key, isolation[key], shown)
		}
	}
}

// view attaches an operator for some seconds and returns every byte that the operator's terminal got.
func (f *fleet) view(key string, seconds int) string {
	f.t.Helper()
	out, _ := f.Try("sh", "-c", fmt.Sprintf(
		"export TERM=xterm-256color; (sleep %d; printf '\\035') | timeout %d script -qec 'fleet attach %s' /dev/null", seconds, seconds+20, key))
	return out
}
