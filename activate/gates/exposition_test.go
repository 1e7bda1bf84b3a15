package gates

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const one = `# HELP fleet_gate_open Connections.
# TYPE fleet_gate_open gauge
fleet_gate_open{project="demo",agent="a"} 3
# HELP fleet_gate_dial_seconds Time.
# TYPE fleet_gate_dial_seconds histogram
fleet_gate_dial_seconds_bucket{project="demo",agent="a",le="+Inf"} 1
fleet_gate_dial_seconds_sum{project="demo",agent="a"} 1.5e-05
fleet_gate_dial_seconds_count{project="demo",agent="a"} 1
`

func TestMerge(t *testing.T) {
	f := NewFamilies()
	f.Add("fleet_up", "gauge", "Whether it is up.", 1, "agent", `q"\`)
	if n := f.Merge([]byte(one), "demo", "a"); n != 0 {
		t.Errorf("%d lines dropped", n)
	}
	if n := f.Merge([]byte(strings.ReplaceAll(one, `"a"`, `"b"`)), "demo", "b"); n != 0 {
		t.Errorf("%d lines dropped", n)
	}
	const want = `# HELP fleet_gate_dial_seconds Time.
# TYPE fleet_gate_dial_seconds histogram
fleet_gate_dial_seconds_bucket{project="demo",agent="a",le="+Inf"} 1
fleet_gate_dial_seconds_sum{project="demo",agent="a"} 1.5e-05
fleet_gate_dial_seconds_count{project="demo",agent="a"} 1
fleet_gate_dial_seconds_bucket{project="demo",agent="b",le="+Inf"} 1
fleet_gate_dial_seconds_sum{project="demo",agent="b"} 1.5e-05
fleet_gate_dial_seconds_count{project="demo",agent="b"} 1
# HELP fleet_gate_open Connections.
# TYPE fleet_gate_open gauge
fleet_gate_open{project="demo",agent="a"} 3
fleet_gate_open{project="demo",agent="b"} 3
# HELP fleet_up Whether it is up.
# TYPE fleet_up gauge
fleet_up{agent="q\"\\"} 1
`
	if d := cmp.Diff(want, string(f.Text())); d != "" {
		t.Error(d)
	}
}

// A gate tells of its own agent alone, and cannot break the page.
func TestMergeDrops(t *testing.T) {
	const head = "# HELP fleet_gate_open Connections.\n# TYPE fleet_gate_open gauge\n"
	for name, text := range map[string]string{
		"another agent":   head + `fleet_gate_open{project="demo",agent="b"} 3`,
		"a longer key":    head + `fleet_gate_open{project="demo",agent="a"x="b"} 3`,
		"no family":       `fleet_gate_open{project="demo",agent="a"} 3`,
		"another name":    "# HELP up x\n# TYPE up gauge\n" + `up{project="demo",agent="a"} 3`,
		"not a number":    head + `fleet_gate_open{project="demo",agent="a"} -+-`,
		"a time":          head + `fleet_gate_open{project="demo",agent="a"} 3 1234`,
		"escape":          head + "fleet_gate_open{project=\"demo\",agent=\"a\",x=\"\x1b\"} 3",
		"twice":           head + strings.Repeat("fleet_gate_open{project=\"demo\",agent=\"a\"} 3\n", 2),
		"no labels":       head + "fleet_gate_open 3",
		"another kind":    strings.Replace(head, "gauge", "counter", 1) + `fleet_gate_open{project="demo",agent="a"} 3`,
		"carriage return": head + "fleet_gate_open{project=\"demo\",agent=\"a\"} 3\r",
	} {
		f := NewFamilies()
		f.Merge([]byte(strings.ReplaceAll(head+`fleet_gate_open{project="demo",agent="z"} 1`, "x", "x")), "demo", "z")
		if n := f.Merge([]byte(text), "demo", "a"); n == 0 {
			t.Errorf("%s: taken:\n%s", name, f.Text())
		}
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(one))
	f.Fuzz(func(t *testing.T, text []byte) {
		all := NewFamilies()
		all.Merge(text, "demo", "a")
		again := NewFamilies()
		if n := again.Merge(all.Text(), "demo", "a"); n != 0 {
			t.Errorf("%d lines of our own page are refused:\n%s", n, all.Text())
		}
	})
}
