//go:build machine

package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
)

// The way of the usual test: a fleet of one agent, whose next generation differs in a limit.

// spec returns a spec of one agent, the n-th of its kind.
func spec(n int, changes ...string) string {
	base := fmt.Sprintf(`{ agents: { a: { limits: { tasks: %d } } } }`, 200+n)
	return e2e.Spec(append([]string{short, base}, changes...)...)
}

// first builds the first generation and switches to it.
func (h *host) first(changes ...string) build {
	h.t.Helper()
	b := h.build(spec(1, changes...))
	h.Switch(b.dir)
	return b
}

// now are the arguments of a switch in which nothing waits for an agent's session.
func now(b build) []string { return []string{"switch", "--no-confirm", "--now", b.dir} }

// client is a command that runs beside the test.
type client struct {
	cmd  *exec.Cmd
	out  strings.Builder
	done chan error
}

// start begins a command in the machine. Its end is waited for by exit, or comes with the machine's.
func (h *host) start(argv ...string) *client {
	h.t.Helper()
	c := &client{cmd: h.Command(context.WithoutCancel(h.t.Context()), argv...), done: make(chan error, 1)}
	machine.Detach(c.cmd)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	return c
}

// exit waits for the command's end and wants its exit status. It returns what was printed.
func (h *host) exit(c *client, want int) string {
	h.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		h.t.Fatalf("%v does not end:\n%s", c.cmd.Args, c.out.String())
	}
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		h.t.Fatalf("%v: exit status %d, want %d\n%s", c.cmd.Args, got, want, c.out.String())
	}
	return c.out.String()
}

// paused starts a switch of the demo project that stops before an effect, and waits until it has.
func (h *host) paused(before string, args ...string) *client {
	h.t.Helper()
	h.arm(fault{Args: detached(e2e.Project), Before: before, Pause: true})
	c := h.start(append([]string{"fleet"}, args...)...)
	h.Eventually("a switch that stops before "+before, patience, func() error {
		if len(h.unitPIDs("T")) > 0 {
			return nil
		}
		select {
		case <-c.done:
			h.t.Fatalf("%v has ended:\n%s", c.cmd.Args, c.out.String())
		default:
		}
		return errors.New("nothing is stopped")
	})
	return c
}

// resume lets paused switches go on.
func (h *host) resume() {
	h.t.Helper()
	h.disarm()
	h.MustRun(append([]string{"kill", "-CONT"}, h.unitPIDs("T")...)...)
}

// unitPIDs returns the processes in the given state, see ps(1), that do a switch of the demo project.
func (h *host) unitPIDs(state string) []string {
	h.t.Helper()
	return strings.Fields(h.Sh(`for s in /sys/fs/cgroup/system.slice/fleetswitch-` + e2e.Project + `-*/cgroup.procs; do
		[ ! -f "$s" ] || for p in $(cat "$s"); do
			stat=; read -r stat <"/proc/$p/stat" || :
			case ${stat##*) } in "` + state + ` "*) echo "$p" ;; esac
		done
	done 2>/dev/null`))
}

// settled wants generation n, made of b, live as a whole, and nothing left of interrupted switches.
func (h *host) settled(n string, b build) {
	h.t.Helper()
	f := h.facts(b.manifest.Project)
	if bad := append(f.settled(n, b.manifest), f.left()...); len(bad) > 0 {
		h.t.Errorf("generation %s is not live as a whole:\n  %s", n, strings.Join(bad, "\n  "))
	}
}

// becomes waits until generation n, made of b, is live as a whole.
func (h *host) becomes(n string, b build) {
	h.t.Helper()
	h.Eventually("generation "+n, patience, func() error {
		f := h.facts(b.manifest.Project)
		if bad := append(f.settled(n, b.manifest), f.deadMen()...); len(bad) > 0 {
			return errors.New(strings.Join(bad, "; "))
		}
		return nil
	})
}
