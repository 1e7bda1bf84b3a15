//go:build machine

package contain

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Nothing that an agent starts is ever outside of its unit, and nothing survives the unit.
func TestEGRE13Spawn(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.Sh(`install -m 4755 /usr/local/bin/` + program + ` ` + setuidCopy + `
		install -m 0755 /usr/local/bin/` + program + ` ` + setuidCopy + `-cap
		setcap cap_net_raw+ep ` + setuidCopy + `-cap`)
	f.refused(f.act("E13", "n1", "u1"), nil)
	f.ghosts("n1", "u1")
	if strays := f.strays(); strays != "" {
		t.Errorf("outside of their units:\n%s", strays)
	}
	for _, key := range []string{"n1", "u1"} {
		f.ruleOfUID(key)
		if !strings.Contains(f.strays(), "a process of "+key+" is in") {
			t.Error("the watcher has not seen what was outside")
		}
	}
	f.free("E13")
}

// ghosts has agents leave their sessions and kill their runners: the ghosts go with the units, which come back.
func (f *fleet) ghosts(keys ...string) {
	f.t.Helper()
	f.send("ghost", keys...)
	alive := func(key string) string {
		out, _ := f.Try("pgrep", "-u", "demo-"+key, "-f", program+" sleep")
		return strings.TrimSpace(out)
	}
	before := map[string]string{}
	for _, key := range keys {
		f.told(key, "ghost")
		f.Eventually("ghost of "+key, 10*time.Second, func() error {
			if alive(key) == "" {
				return fmt.Errorf("no process")
			}
			return nil
		})
		before[key] = f.InvocationID("fleet-demo-" + key + ".service")
	}
	f.send("kill", keys...)
	for _, key := range keys {
		f.Eventually(key+" is started again", 30*time.Second, func() error {
			if now := f.InvocationID("fleet-demo-" + key + ".service"); now == before[key] || now == "" {
				return fmt.Errorf("invocation %q", now)
			}
			return nil
		})
		if left := alive(key); left != "" {
			f.t.Errorf("%s (%s): the ghost %s has outlived its unit", key, isolation[key], left)
		}
	}
}

// ruleOfUID starts a process of the agent's user outside of every unit, as only root can: the firewall rejects all the
// same what it sends, since the user's number is enough.
func (f *fleet) ruleOfUID(key string) {
	f.t.Helper()
	counted := f.rejected(key)
	out, exit := f.Try("timeout", "5", "setpriv", "--reuid=demo-"+key, "--regid=demo-"+key, "--clear-groups",
		"bash", "-c", "(exec 3<>/dev/tcp/127.0.0.1/22); status=$?; sleep 1; exit $status")
	if got := f.rejected(key); exit == 0 || got <= counted {
		f.t.Errorf("%s outside of its unit: exit status %d, %d packets rejected before and %d after: %s", key, exit, counted, got, out)
	}
}
