package gates

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/journal"
	"fleet/schemas/audit"
	"fleet/schemas/manifest"
)

// A record is of the agent whose gate's user wrote it, whatever it says; one that no gate writes is none.
func TestEntry(t *testing.T) {
	good := map[string]string{
		"FLEET_EVENT": "decision", "FLEET_PROJECT": "other", "FLEET_AGENT": "b", "FLEET_KIND": "tls", "FLEET_HOST": "a.test\x1b[2J",
		"FLEET_VERDICT": "allow", "FLEET_PORT": "443",
	}
	with := func(name, value string) map[string]string {
		out := map[string]string{}
		for k, v := range good {
			out[k] = v
		}
		out[name] = value
		return out
	}
	at := time.Unix(9, 0)
	e, ok := entry(journal.Fields{Time: at, All: good}, "demo", "a")
	if !ok || e.Agent != "a" || e.Project != "demo" || e.Time != at || e.Port != 443 || strings.Contains(e.Host, "\x1b") {
		t.Errorf("%v, %+v", ok, e)
	}
	for name, fields := range map[string]map[string]string{
		"verdict": with("FLEET_VERDICT", "maybe"), "event": with("FLEET_EVENT", ""), "kind": with("FLEET_KIND", "x"),
		"port": with("FLEET_PORT", "70000"), "number": with("FLEET_BYTES_UP", "-1"), "no number": with("FLEET_PORT", "x"), "none": {},
	} {
		if e, ok := entry(journal.Fields{All: fields}, "demo", "a"); ok {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestUID(t *testing.T) {
	m := &manifest.Manifest{Users: []manifest.User{
		{Name: "demo-a", UID: 7, Agent: "a"}, {Name: "demo-a-gate", UID: 8, Agent: "a", Gate: true}, {Name: "demo-b", UID: 9, Agent: "b"},
	}}
	if UID(m, "a") != 8 || UID(m, "b") != 0 {
		t.Errorf("%d, %d", UID(m, "a"), UID(m, "b"))
	}
	if got := keys(m, nil); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v", got)
	}
	if err := Records(t.Context(), m, Query{Keys: []string{"b"}}, func(e audit.Entry) error { t.Errorf("%+v", e); return nil }); err != nil {
		t.Error("an agent without a gate has no records: ", err)
	}
}
