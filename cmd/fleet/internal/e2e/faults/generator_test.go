//go:build machine

package faults

import (
	"errors"
	"strings"
	"testing"

	"fleet/activate/machine"
)

const generator = "/usr/local/lib/systemd/system-generators/fleet"

// B22: a generator that does not work is found by what systemd has loaded, the switch is taken back, and doctor says
// what is wrong.
func TestACTB22BrokenGenerator(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	live, was := "1", h.first()
	for n, c := range []struct{ name, spoil string }{
		{"missing", "rm " + generator},
		{"not executable", "chmod 644 " + generator},
		{"exits 1", `sed -i '1a exit 1' ` + generator},
		{"replaced", `printf '#!/bin/sh\nexit 1\n' >` + generator},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := h.on(t)
			b := h.build(spec(2 + n))
			sw := h.paused("prepare /run/fleet/demo/active .*", now(b)...)
			h.Sh(c.spoil)
			h.mustSay(h.fleet(1, "doctor"), "generator")
			h.resume()
			h.mustSay(h.exit(sw, 5), "P9", "has not loaded generation", "fleet doctor", "rolled back: generation "+live)
			h.settled(live, was)
			h.Sh(c.spoil) // on a host at rest the next switch brings it back
			h.fleet(0, append(now(b), "--force")...)
			live, was = h.facts("demo").active, b
			h.settled(live, was)
		})
	}
}

// B22: a generator that hangs, on a disk that does not answer, is ended by its own limit of 20 s: once for the switch,
// and once more when it tries again. Then the disk answers, and the old generation comes back.
func TestACTB22HangingGenerator(t *testing.T) {
	t.Parallel()
	const patient = `{ activation+: { deadman: '3m' } }`
	h := boot(t, machine.Options{})
	first := h.first(patient)
	sw := h.paused("prepare /run/fleet/demo/active .*", now(h.build(spec(2, patient)))...)
	h.Sh(`printf '#!/bin/sh\nexec sleep 1000\n' >/usr/local/hang; chmod 755 /usr/local/hang
		mount --bind /usr/local/hang /usr/bin/sha256sum`)
	h.resume()
	h.Eventually("the way back", patience, func() error {
		if !strings.Contains(h.Sh("cat /run/fleet/demo/switch/*/progress"), "going back") {
			return errors.New("not yet")
		}
		return nil
	})
	h.Sh("umount /usr/bin/sha256sum")
	h.mustSay(h.exit(sw, 5), "P9", "once more", "has not loaded generation 2", "rolled back: generation 1")
	h.becomes("1", first)
	h.opened()
}

// B22: one that hangs once: the second try goes through, and sockets that systemd had closed meanwhile are open again.
func TestACTB22GeneratorHangsOnce(t *testing.T) {
	t.Parallel()
	const patient = `{ activation+: { deadman: '3m' } }`
	h := boot(t, machine.Options{})
	h.first(patient)
	second := h.build(spec(2, patient))
	sw := h.paused("prepare /run/fleet/demo/active .*", now(second)...)
	h.Sh(`cp /usr/bin/sha256sum /usr/local/sum
		printf '#!/bin/sh\nmkdir /run/once 2>/dev/null && exec sleep 1000\nexec /usr/local/sum "$@"\n' >/usr/local/hang; chmod 755 /usr/local/hang
		mount --bind /usr/local/hang /usr/bin/sha256sum`)
	h.resume()
	h.mustSay(h.exit(sw, 0), "P9", "once more")
	h.Sh("umount /usr/bin/sha256sum; test -d /run/once")
	h.becomes("2", second)
	h.opened()
}

// opened wants the daemons to get their sockets: without them they do not start.
func (h *host) opened() {
	h.t.Helper()
	h.MustRun("systemctl", "restart", "fleet-demo-a-gate.service", "fleet-demo-chat.service", "fleet-demo-chat-gate.service")
}
