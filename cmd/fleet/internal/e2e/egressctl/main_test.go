//go:build machine

package egressctl

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

func TestMain(m *testing.M) {
	origins.Main()
	os.Exit(m.Run())
}

// host is a machine with a way out, on which two agents do nothing.
type host struct {
	*e2e.Host
	t   testing.TB
	net *origins.Net
}

// idle keeps the demo harness from calling anybody.
const idle = `{
  harnesses: { sh: { headless: ['sh', '-c', '{{prompt}}'], turnEnd: 'exit' } },
  agents: { [k]: { harness: 'sh', mode: 'headless', prompt: 'sleep 3000' } for k in ['a', 'b'] },
}`

// boot switches a machine to idle agents, with changes to the spec.
func boot(t *testing.T, changes ...string) *host {
	t.Helper()
	h := &host{Host: e2e.New(t, machinetest.Options{Options: machine.Options{Files: []machine.File{origins.File()}}}), t: t}
	h.WriteFile(insideFile, inside, 0o644)
	h.net = origins.Start(t, h.M)
	h.net.Public("web.test", "other.test", "ssh.test", "more.test")
	h.Switch(h.Build(e2e.Spec(append([]string{idle, origins.Spec}, changes...)...)))
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			out, _, _ := h.Run(ctx, "journalctl", "-q", "--no-pager", "--namespace=fleet-demo", "--lines=25")
			t.Logf("end of the gates' journal:\n%s", out)
		}
	})
	return h
}

// as runs a script as an agent's user where the agent is: in its namespaces, with its environment for proxies.
func (h *host) as(key, script string) (out string, exit int) {
	h.t.Helper()
	return h.Try("sh", "-u", insideFile, key, script)
}

const insideFile = "/usr/local/lib/inside"

// The firewall knows an agent with isolation user by the unit's control group as well. PROXY is where the agent is told
// that its gate is.
const inside = `
	unit=fleet-demo-$1.service
	pid=$(systemctl show -P MainPID "$unit")
	echo $$ >"/sys/fs/cgroup$(systemctl show -P ControlGroup "$unit")/cgroup.procs"
	proxy=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^HTTP_PROXY=//p')
	exec nsenter -t "$pid" -n -m -- setpriv --reuid="demo-$1" --regid="demo-$1" --clear-groups -- env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="/home/demo-$1" PROXY="$proxy" sh -uc "$2"`

// isolated runs a test once for each isolation of an agent.
func isolated(t *testing.T, test func(t *testing.T, change string)) {
	t.Parallel()
	for _, mode := range []string{"namespace", "user"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			test(t, `{ defaults+: { isolation: '`+mode+`' } }`)
		})
	}
}

// must runs a script as an agent and wants it to succeed.
func (h *host) must(key, script string) string {
	h.t.Helper()
	out, exit := h.as(key, script)
	if exit != 0 {
		h.t.Fatalf("%s: %s: exit status %d\n%s", key, script, exit, out)
	}
	return out
}

// refused runs a script as an agent and wants it to fail.
func (h *host) refused(key, script string) string {
	h.t.Helper()
	out, exit := h.as(key, script)
	if exit == 0 {
		h.t.Errorf("%s: %s: succeeded\n%s", key, script, out)
	}
	return out
}

// fleet runs the tool and wants an exit status.
func (h *host) fleet(want int, args ...string) string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(args...)
	if exit != want {
		h.t.Fatalf("fleet %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), exit, want, errOut, out)
	}
	return out
}

// records are those that the log has of an agent.
func (h *host) records(key string, args ...string) (out []audit.Entry) {
	h.t.Helper()
	h.MustRun("journalctl", "--namespace=fleet-demo", "--sync")
	text := h.fleet(0, append([]string{"egress", "log", key, "--json", "-n", "0"}, args...)...)
	for line := range strings.Lines(text) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			h.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

// has finds a record.
func has(all []audit.Entry, ok func(audit.Entry) bool) error {
	for _, e := range all {
		if ok(e) {
			return nil
		}
	}
	return fmt.Errorf("not in %d records, the last of which are %+v", len(all), all[max(0, len(all)-5):])
}

const soon = 15 * time.Second
