//go:build machine

package faults

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"fleet/activate/machine"
)

var errNotYet = errors.New("not yet")

// long keeps an agent in a session, and few generations on the host.
const long = `{
	retention: { generations: 2 },
	agents+: { a+: { prompt: 'demo: sleep 3600', session: '2h' } },
}`

// B28: a collection keeps the generation whose files a session still runs, and a pinned one; killed anywhere, it leaves
// nothing half, and the next one ends it.
func TestACTB28CollectWhileRunning(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first(long)
	h.Eventually("a session", patience, func() error {
		if !strings.Contains(h.fleet(0, "status"), "working") {
			return errNotYet
		}
		return nil
	})
	for n := 2; n <= 7; n++ { // gracefully: the agent goes on with what it runs
		h.Switch(h.build(spec(n, long)).dir)
		if n == 2 {
			h.fleet(0, "generations", "pin", "2")
		}
	}
	running := h.Sh(`pid=$(systemctl show --property=MainPID --value fleet-demo-a.service)
		tr '\0' '\n' <"/proc/$pid/cmdline"`)
	h.fleet(0, "gc")
	h.kept(1, 2, 5, 6, 7)
	for path := range strings.Lines(running) {
		if path = strings.TrimSpace(path); strings.HasPrefix(path, "/var/lib/fleet/store/") {
			h.MustRun("test", "-x", path)
		}
	}
	h.fleet(0, "generations", "unpin", "2")
	h.MustRun("systemctl", "restart", "fleet-demo-a.service")
	h.killCollections()
	h.kept(5, 6, 7)
	h.fleet(0, "status")
}

// kept wants exactly these generations on the host, all of them whole.
func (h *host) kept(want ...int) {
	h.t.Helper()
	var rows []struct{ Number int }
	if err := json.Unmarshal([]byte(h.fleet(0, "generations", "--json")), &rows); err != nil {
		h.t.Fatal(err)
	}
	var got []int
	for _, r := range rows {
		got = append(got, r.Number)
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("generations %v are kept, want %v", got, want)
	}
	h.whole()
}

// whole wants every generation that stands on the host to be complete, with its files in the store.
func (h *host) whole() {
	h.t.Helper()
	h.Sh(`for g in /etc/fleet/demo/generations/[0-9]*; do
		cd "$g" && sha256sum --strict --quiet -c files.sha256 && sha256sum --strict --quiet -c store.sha256
	done`)
}

// killCollections kills one collection before its first effect, one before its second, and so on until one ends.
func (h *host) killCollections() {
	h.t.Helper()
	for nth := 1; ; nth += rounds(3, 1) {
		h.arm(fault{Args: []string{"gc"}, Before: ".*", Nth: nth})
		_, exit := h.Try("fleet", "gc")
		h.disarm()
		h.whole()
		if exit == 0 && len(h.effects(effectLog)) < nth {
			h.fleet(0, "gc")
			if left := h.facts("demo").left(); len(left) > 0 {
				h.t.Errorf("collections left %v", left)
			}
			return
		}
		if exit != 128+9 {
			h.t.Fatalf("gc to be killed before effect %d: exit status %d", nth, exit)
		}
	}
}
