//go:build machine

package contain

import (
	"slices"
	"strings"
	"testing"
)

// Two agents, and an agent and the host, have no memory, queue, semaphore or folder in common.
func TestEGRE29Shared(t *testing.T) {
	t.Parallel()
	f := share(t)
	for key, outcomes := range f.act("leave", agents...) {
		for _, o := range outcomes {
			if !o.Done {
				t.Errorf("%s cannot %s for its own use: %s", key, o.Name, o.Detail)
			}
		}
	}
	f.MustRun("env", "FLEET_AGENT=host", program, "try", "leave", "root")
	f.refused(f.act("find", agents...), nil)
	f.free("find")

	f.send("fingerprint", agents...)
	places := map[string][]string{"host": strings.Split(f.MustRun(program, "fingerprint"), "\n")}
	for _, key := range agents {
		places[key] = decode[[]string](f, f.told(key, "fingerprint"))
		if len(places[key]) < 9 {
			t.Errorf("%s sees only %q", key, places[key])
		}
	}
	for a, mine := range places {
		for b, theirs := range places {
			for _, place := range mine {
				// In mode user the network namespace is the host's.
				hosts := strings.Contains(place, "/ns/net ") && isolation[a] != "namespace" && isolation[b] != "namespace"
				if a < b && !hosts && slices.Contains(theirs, place) {
					t.Errorf("%s and %s have %s in common", a, b, place)
				}
			}
		}
	}
}
