//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
)

// B32: a switch that is started inside an agent's unit, or inside one of an operator's that belongs to the generation,
// completes although it restarts that unit and ends whoever started it.
func TestACTB32FromInside(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first()
	t.Run("an agent's unit", func(t *testing.T) {
		h := h.on(t)
		b, before := h.build(spec(2)), h.InvocationID("fleet-demo-a.service")
		c := h.start("sh", "-c", `echo $$ >/sys/fs/cgroup/fleet.slice/fleet-demo.slice/fleet-demo-a.service/cgroup.procs
			exec fleet switch --no-confirm --now `+b.dir)
		h.becomes("2", b)
		<-c.done
		if c.cmd.ProcessState.Success() {
			t.Errorf("the unit was restarted and whoever started the switch inside it was not ended:\n%s", c.out.String())
		}
		if h.InvocationID("fleet-demo-a.service") == before {
			t.Error("the agent's unit was not restarted")
		}
		h.mustSay(h.fleet(0, now(b)...), "generation", "live")
	})
	t.Run("an operator's unit", func(t *testing.T) {
		h := h.on(t)
		const unit, run = "fleet-demo-ops.service", "[Service]\nExecStart=/bin/sh -c 'until [ -e /root/go ]; do sleep 0.2; done; " +
			"read -r dir </root/go; rm /root/go; exec /usr/local/bin/fleet switch --no-confirm --now \"$$dir\"'\n"
		h.Switch(h.withUnit(unit, run).dir, "--now")
		before := h.InvocationID(unit)
		b := h.withUnit(unit, run+"Nice=3\n")
		h.WriteFile("/root/go", b.dir+"\n", 0o600)
		h.becomes("4", b)
		if h.InvocationID(unit) == before {
			t.Error("the operator's unit was not restarted")
		}
	})
}
