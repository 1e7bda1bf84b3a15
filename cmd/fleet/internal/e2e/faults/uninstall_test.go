//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
)

// B30: a project is taken off a host while its agents work, and the host is as before the first switch; a second time
// there is nothing to do. Users and homes stay, unless they are to go.
func TestACTB30Uninstall(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.Sh("useradd opera") // makes what the first user ever makes
	before := h.snapshot()
	h.first(long)
	h.fleet(0, now(h.build(spec(2, long)))...)
	h.mustSay(h.fleet(0, "uninstall"), "demo is removed")
	const accounts = `^file /etc/((passwd|group|shadow|gshadow|subuid|subgid)-?|\.pwd\.lock) |^unit network-pre.target `
	const users = accounts + `|^(node|file) /home/demo-(a|chat)(/\S*)? |^passwd (demo-|fleet-)`
	h.unchanged(before, h.snapshot(), users)
	h.MustRun("test", "-d", "/home/demo-a")
	h.mustSay(h.fleet(0, "uninstall"), "nothing to do")

	// Again, with an interrupted switch in the way, and then with users; killed on the way.
	h.Switch(h.build(spec(3, long)).dir)
	h.killedAt("daemon-reload", spec(4, long))
	h.arm(fault{Args: []string{"uninstall"}, Before: `remove /etc/fleet/demo/boot`})
	h.Sh("! fleet uninstall --purge")
	h.disarm()
	h.mustSay(h.fleet(0, "uninstall", "--purge"), "demo is removed")
	h.unchanged(before, h.snapshot(), accounts+`|^passwd fleet-operators`)
	h.Sh("! id demo-a; ! id demo-chat; ! test -e /home/demo-a; ! test -e /home/demo-chat")
	h.mustSay(h.fleet(0, "uninstall", "--purge"), "nothing to do")
	b := h.build(e2e.Spec())
	h.Switch(b.dir)
	h.settled("1", b)
}
