//go:build machine

package contain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// Two agents of each kind. u2 may serve on ports of loopback.
var agents = []string{"n1", "n2", "u1", "u2"}

// Modes, by agent.
var isolation = map[string]string{"n1": "namespace", "n2": "namespace", "u1": "user", "u2": "user"}

// specText is a fleet of hostile agents that wait for what they are sent.
const specText = `{
  version: 'fleet/v1', project: 'demo',
  activation: { health: '2s', deadman: '60s', job: '45s' },
  local hostile = {
    program: 'hostile', interactive: ['hostile', 'agent', '--', '{{prompt}}'], headless: ['hostile', 'agent', '--', '{{prompt}}'],
    turnEnd: 'exit',
  },
  harnesses: {
    managed: hostile {
      settings: { 'managed-settings.json': { defaultMode: '{{permissions.mode}}' }, 'CLAUDE.md': '{{instructions}}' }, settingsDir: '/etc/claude-code',
    },
    plain: hostile { instructions: 'INSTRUCTIONS.md' },
  },
  defaults: {
    harness: 'managed', mode: 'headless', iteration: '10m', session: '5m', prompt: 'idle', instructions: ['Be kind.'],
    limits: { tmp: '32M', shm: '8M', tasks: 100, files: 4096 },
  },
  agents: {
    n1: { isolation: 'namespace' }, n2: { isolation: 'namespace', harness: 'plain' },
    u1: { isolation: 'user' }, u2: { isolation: 'user', harness: 'plain', localPorts: { from: 6000, to: 6010 } },
  },
}`

// fleet is a machine on which the hostile agents run.
type fleet struct {
	*e2e.Host
	t testing.TB
}

// boot makes a machine and switches it to the hostile fleet, with changes to the spec.
func boot(t testing.TB, o machine.Options, changes ...string) *fleet {
	t.Helper()
	f := bare(t, o)
	f.Switch(f.Build(spec(changes...)))
	return f
}

// bare makes a machine that has the hostile program and no fleet yet.
func bare(t testing.TB, o machine.Options) *fleet {
	t.Helper()
	o.Files = append(o.Files, machine.File{Outside: "/proc/self/exe", Inside: "/usr/local/bin/" + program})
	return &fleet{Host: e2e.New(t, machinetest.Options{Options: o}), t: t}
}

func spec(changes ...string) string {
	return strings.Join(append([]string{specText}, changes...), " + ")
}

// send queues a prompt for each agent.
func (f *fleet) send(prompt string, keys ...string) {
	f.t.Helper()
	for _, key := range keys {
		f.MustRun("fleet", "send", key, prompt)
	}
}

// act has agents make the attempts of a group and returns what came of them, by agent.
func (f *fleet) act(group string, keys ...string) map[string][]outcome {
	f.t.Helper()
	f.send(group, keys...)
	all := map[string][]outcome{}
	for _, key := range keys {
		all[key] = f.seen(key, group)
	}
	return all
}

// actTime bounds how long an agent takes from a prompt to its outcomes.
const actTime = 60 * time.Second

func (f *fleet) seen(key, group string) []outcome {
	f.t.Helper()
	return decode[[]outcome](f, f.told(key, group))
}

// told waits for what an agent writes to a file of its home, and takes the file away.
func (f *fleet) told(key, name string) string {
	f.t.Helper()
	path := fmt.Sprintf("/home/demo-%s/seen/%s", key, name)
	f.Eventually(key+" tells of "+name, actTime, func() error {
		if out, exit := f.Try("test", "-e", path); exit != 0 {
			return fmt.Errorf("no %s: %s", path, out)
		}
		return nil
	})
	text := f.ReadFile(path)
	f.MustRun("rm", path)
	return text
}

func decode[T any](f *fleet, text string) T {
	f.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		f.t.Fatalf("%v in %q", err, text)
	}
	return v
}

// mayBe marks the name of an attempt that ends at the agent's gate: it takes the connection and resets it, which the agent
// sees while it connects or thereafter.
func mayBe(name string) string { return "?" + name }

// refused fails the test for every attempt that an agent succeeded in, but for those that are named.
func (f *fleet) refused(all map[string][]outcome, but map[string][]string) {
	f.t.Helper()
	for _, key := range agents {
		for _, o := range all[key] {
			switch {
			case slices.Contains(but[key], mayBe(o.Name)):
			case o.Done && !slices.Contains(but[key], o.Name):
				f.t.Errorf("%s (%s): %s: %s", key, isolation[key], o.Name, o.Detail)
			case !o.Done && slices.Contains(but[key], o.Name):
				f.t.Errorf("%s (%s): %s is refused now (%s): take it from the list", key, isolation[key], o.Name, o.Detail)
			}
		}
	}
}

// free makes the attempts of a group outside of every wall, where all that are possible for somebody must succeed: else
// the refusals prove nothing.
func (f *fleet) free(group string) {
	f.t.Helper()
	var out []outcome
	for who, argv := range map[string][]string{"root": nil, "nobody": {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}} {
		argv = append(argv, program, "try", group, who)
		out = append(out, decode[[]outcome](f, f.MustRun(argv...))...)
	}
	for _, o := range out {
		if !o.Done {
			f.t.Errorf("free: %s is refused by the machine itself: %s", o.Name, o.Detail)
		}
	}
}

// rejected returns the packets that the firewall has rejected of an agent, by `fleet status`.
func (f *fleet) rejected(key string) int {
	f.t.Helper()
	_, out, _ := f.Fleet("status", key, "--json")
	s := decode[struct {
		Agents []struct {
			Detail struct{ Counters []struct{ Packets int } }
		}
	}](f, out)
	if len(s.Agents) != 1 || len(s.Agents[0].Detail.Counters) != 1 {
		f.t.Fatalf("no counter in %s", out)
	}
	return s.Agents[0].Detail.Counters[0].Packets
}

// pid returns the main process of an agent.
func (f *fleet) pid(key string) string {
	f.t.Helper()
	return f.Show("fleet-demo-"+key+".service", "MainPID")["MainPID"]
}
