//go:build machine

package secrets

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
)

// Names of the secrets of the fleet under test, and what has them.
const (
	gateA  = "fleet-demo-a-gate.service" // TOKEN, and what a rotation keeps of it
	gateB  = "fleet-demo-b-gate.service" // NPM_TOKEN
	agentA = "fleet-demo-a.service"      // DEPLOY_KEY, exposed
	agentB = "fleet-demo-b.service"
)

// canaries are values that must never be found.
var canaries = []string{
	"canary-one-71c2", "canary-two-9f03", "canary-three-55ab", "canary-four-08de", "canary-five-c41a",
	"canary-line-3b", "canary-user-66", "canary-sops-77", "canary-edit-88", "canary-typed-99",
}

// canaryFile is where the test keeps the patterns that it looks for: the one folder that is not looked into.
const canaryFile = "/dev/shm/canaries"

// idle keeps the agents from ending.
const idle = `{
  harnesses: { sh: { headless: ['sh', '-c', '{{prompt}}'], turnEnd: 'exit' } },
  agents: { [k]: { harness: 'sh', mode: 'headless', prompt: 'sleep 3000' } for k in ['a', 'b'] },
}`

// host is a machine whose fleet has secrets.
type host struct {
	*e2e.Host
	t testing.TB
}

func boot(t *testing.T) *host {
	t.Helper()
	h := &host{Host: e2e.New(t, machinetest.Options{}), t: t}
	h.prepare()
	return h
}

// prepare writes what a boot takes away.
func (h *host) prepare() {
	h.t.Helper()
	h.WriteFile(canaryFile, strings.Join(canaries, "\n")+"\n", 0o600)
	h.WriteFile("/dev/shm/search", e2e.Search, 0o600)
}

func (h *host) on(t testing.TB) *host { return &host{Host: h.Host.On(t), t: t} }

// nothing is what a gate is given where no rotation keeps a value: systemd takes no empty one in a unit (252).
const nothing = "\n"

// holding is the part of the spec that says who has what.
const holding = `{
  secrets: {
    TOKEN: { disposition: 'broker', hosts: ['api.test'], bearer: true, agents: ['a'] },
    NPM_TOKEN: { disposition: 'broker', hosts: ['registry.test'], bearer: true, agents: ['b'] },
    DEPLOY_KEY: { disposition: 'expose', agents: ['a'], note: 'for a test' },
  },
  egress: { allow: ['api.test', 'registry.test'] },
}`

// spec is the fleet under test.
func spec() string { return e2e.Spec(idle, holding) }

// value puts a value into a file that a command can take it from.
func (h *host) value(text string) string {
	h.t.Helper()
	const path = "/dev/shm/value"
	h.WriteFile(path, text, 0o600)
	return path
}

// fleet runs the tool, wants an exit status, returns what it printed, and looks for values then.
func (h *host) fleet(want int, args ...string) string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(args...)
	if exit != want {
		h.t.Fatalf("fleet %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), exit, want, errOut, out)
	}
	h.clean("fleet "+strings.Join(args, " "), out+errOut)
	return out + errOut
}

// set sets a value.
func (h *host) set(name, text string) string {
	h.t.Helper()
	return h.fleet(0, "secret", "set", name, "--from-file", h.value(text))
}

// clean fails where a value is somewhere.
func (h *host) clean(after, printed string) {
	h.t.Helper()
	for _, c := range canaries {
		if strings.Contains(printed, c) {
			h.t.Errorf("%s prints a value:\n%s", after, printed)
		}
	}
	if found := h.Holding(canaryFile); found != "" {
		h.t.Errorf("after %s a value is found:\n%s", after, found)
	}
}

// has fails where the text of a command lacks something.
func (h *host) has(text string, wants ...string) {
	h.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			h.t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// credential returns what a running unit was given.
func (h *host) credential(unit, name string) string {
	h.t.Helper()
	return h.ReadFile("/run/credentials/" + unit + "/" + name)
}

// gates starts the gates, as their agents' first connection would.
func (h *host) gates() {
	h.t.Helper()
	h.MustRun("systemctl", "start", gateA, gateB)
}

// gone waits until a file is no longer there.
func (h *host) gone(path string) {
	h.t.Helper()
	h.Eventually("removal of "+path, 20*time.Second, func() error {
		if _, exit := h.Try("test", "-e", path); exit == 0 {
			return fmt.Errorf("%s is there", path)
		}
		return nil
	})
}
