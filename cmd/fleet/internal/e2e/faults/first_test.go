//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
)

// ours matches what a first switch leaves that changes nothing: the record of what was tried, users, whose numbers are
// never given again, the journal of what was tried, and a target of systemd's that only orders others.
const ours = `^(node|file) (/etc/fleet|/var/lib/fleet|/run/fleet|/home/demo-a|/home/demo-b|/home/demo-idle|/home/demo-chat)(/\S*)? ` +
	`|^file /etc/((passwd|group|shadow|gshadow|subuid|subgid)-?|\.pwd\.lock) |^passwd (demo-|fleet-)` +
	`|^(node|file) /run/systemd/journal(d@|\.)fleet-demo|^unit systemd-journald(-varlink)?@fleet-demo\.` +
	`|^unit network-pre.target `

// B27: the first switch of a host ever fails, and the host is as before: in P10, in the health window, by a kill.
func TestACTB27FirstSwitchFails(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	before := h.snapshot()

	fails := h.withUnit("fleet-demo-x.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
	h.mustSay(h.fleet(5, "switch", "--no-confirm", fails.dir), "P10", "rolled back: nothing, as before the first switch")
	h.unchanged(before, h.snapshot(), ours)
	h.mustSay(h.fleet(3, "switch", "--no-confirm", fails.dir), "failed on this host before", "--force")

	crashes := h.withUnit("fleet-demo-x.service", "[Service]\nType=exec\nExecStart=/bin/sh -c 'sleep 0.3; exit 1'\n")
	h.mustSay(h.fleet(5, "switch", "--no-confirm", crashes.dir), "P11", "rolled back")
	h.unchanged(before, h.snapshot(), ours)

	for _, at := range []string{"start fleet-demo-a.service", "prepare /etc/fleet/demo/boot -> .*"} {
		h.killedAt(at, spec(1, brisk))
		h.Eventually("the dead man", patience, func() error { return h.gone() })
		h.unchanged(before, h.snapshot(), ours)
		h.mustSay(h.fleet(3, "status"), "no generation of project demo is live")
	}
	h.MustReboot()
	h.mustSay(h.fleet(3, "status"), "no generation of project demo is live")
	b := h.first()
	h.settled(h.facts("demo").active, b)
}

// gone tells whether the dead man has done his work.
func (h *host) gone() error {
	f := h.facts("demo")
	if f.active != "" || len(f.deadMen()) > 0 {
		return errNotYet
	}
	return nil
}
