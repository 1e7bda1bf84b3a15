//go:build machine

package egressctl

import (
	"regexp"
	"strings"
	"testing"
)

var series = regexp.MustCompile(`^[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? (-?[0-9.e+-]+|\+Inf)$`)

// metrics are the lines of a page that is well-formed: each family once, with help and type, its series behind them.
func (h *host) metrics(page string) map[string]string {
	h.t.Helper()
	family, done, out := "", map[string]bool{}, map[string]string{}
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "# HELP "):
			family = strings.Fields(line)[2]
			if done[family] {
				h.t.Errorf("%s comes twice", family)
			}
			done[family] = true
		case strings.HasPrefix(line, "# TYPE "):
			if strings.Fields(line)[2] != family {
				h.t.Errorf("%s below %s", line, family)
			}
		case !series.MatchString(line) || !strings.HasPrefix(line, family):
			h.t.Errorf("below %s: %q", family, line)
		default:
			at := strings.LastIndexByte(line, ' ')
			if _, twice := out[line[:at]]; twice {
				h.t.Errorf("%s comes twice", line[:at])
			}
			out[line[:at]] = line[at+1:]
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := boot(t, `{ egress+: { allow: ['web.test'] } }`)
	h.must("a", "curl -sS -m 5 https://web.test/")
	h.refused("a", "curl -sS -m 5 https://other.test/")
	h.must("b", "curl -sS -m 5 https://web.test/")
	h.MustRun("systemctl", "stop", "fleet-demo-b-gate.service") // its sockets stay
	all := h.metrics(h.fleet(0, "metrics"))
	for name, want := range map[string]string{
		`fleet_gate_up{project="demo",agent="a"}`: "1", `fleet_gate_up{project="demo",agent="b"}`: "0",
		`fleet_agent_up{project="demo",agent="a"}`: "1", `fleet_egress_cut{project="demo",agent="a"}`: "0",
		`fleet_gate_cut{project="demo",agent="a"}`: "0",
	} {
		if all[name] != want {
			t.Errorf("%s is %q, want %s", name, all[name], want)
		}
	}
	for _, name := range []string{
		`fleet_egress_decisions_total{project="demo",agent="a",verdict="deny"}`, `fleet_egress_decisions_total{project="demo",agent="a",verdict="allow"}`,
		`fleet_egress_decisions_total{project="demo",agent="b",verdict="allow"}`, `fleet_gate_decisions_total{project="demo",agent="a",verdict="deny",reason="host-not-listed"}`,
	} {
		if all[name] == "" || all[name] == "0" {
			t.Errorf("%s is %q", name, all[name])
		}
	}
	if _, there := all[`fleet_firewall_rejected_packets_total{project="demo",agent="a"}`]; !there {
		t.Error("the firewall's counters are missing")
	}
	if one := h.metrics(h.fleet(0, "metrics", "b")); one[`fleet_gate_up{project="demo",agent="b"}`] != "0" || len(one) >= len(all) {
		t.Errorf("of b: %v", one)
	}
	h.MustRun("mkdir", "/srv/prom")
	h.fleet(0, "metrics", "--textfile", "/srv/prom")
	if got := h.metrics(h.ReadFile("/srv/prom/fleet-demo.prom")); len(got) != len(all) {
		t.Errorf("%d series in the file, %d on the page", len(got), len(all))
	}
	if got := h.Sh("ls -A /srv/prom; stat -c %a /srv/prom/fleet-demo.prom"); got != "fleet-demo.prom\n644" {
		t.Errorf("left: %s", got)
	}
	h.fleet(2, "metrics", "--textfile", "/nowhere")
}
