//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
)

// B11: a file of the live generation that was edited, damaged or emptied is told of, is never adopted, and a boot takes
// the last generation that is whole.
func TestACTB11DamagedLive(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	first := h.first()
	for n, spoil := range []string{
		"sed -i 's/^Description=.*/Description=edited/' units/fleet-demo-a.service",
		"printf '\\377' | dd of=nftables/demo.nft bs=1 seek=40 conv=notrunc status=none",
		": >files.sha256",
	} {
		t.Run(spoil, func(t *testing.T) {
			h := h.on(t)
			b := h.build(spec(2 + n))
			h.fleet(0, now(b)...)
			live := h.facts("demo").active
			dir := "/etc/fleet/demo/generations/" + live
			h.Sh("cd " + dir + "; " + spoil)
			h.mustSay(h.fleet(1, "verify", dir), "is not whole")
			h.mustSay(h.fleet(1, "status"), dir)
			h.Sh("systemctl daemon-reload") // not adopted by a reload either
			if f := h.facts("demo"); f.anchor != "1" || f.active != live {
				t.Errorf("after a reload systemd has generation %s, and %s is live", f.anchor, f.active)
			}
			h.MustReboot()
			f := h.facts("demo")
			if bad := f.runs(first.manifest); f.active != "1" || f.anchor != "1" || len(bad) > 0 {
				t.Errorf("generation %s was booted, systemd has %s: %v", f.active, f.anchor, bad)
			}
			h.mustSay(h.fleet(1, "status"), "generation 1")
			h.fleet(0, now(first)...)
			h.settled("1", first)
		})
	}
}

// B26: a rollback passes over a damaged generation and says so; with none left it changes nothing.
func TestACTB26RollbackToDamaged(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	first, second, third := h.first(), h.build(spec(2)), h.build(spec(3))
	h.fleet(0, now(second)...)
	h.fleet(0, now(third)...)
	h.Sh("cd /etc/fleet/demo/generations/2; echo >>units/fleet-demo-a.service")
	h.mustSay(h.fleet(5, "rollback", "--now"), "generation 2 is damaged", "generation 1")
	h.settled("1", first) // and the damaged one stands in for none
	h.Sh("cd /etc/fleet/demo/generations/3; echo >>libexec/record")
	before := h.Invocations()
	h.mustSay(h.fleet(6, "rollback", "--now"),
		"generation 3 is damaged", "generation 2 is damaged", "no good generation is left", "fleet switch")
	e2e.Untouched(t, before, h.Invocations())
	if f := h.facts("demo"); f.active != "1" || f.boot != "1" || f.anchor != "1" {
		t.Errorf("generation %s is live, %s boots, systemd has %s", f.active, f.boot, f.anchor)
	}
}
