//go:build machine

package egressctl

import (
	"encoding/json"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/fleet"
)

// EGR-E25: report mode lets all through but what is unsafe, and a spec with the suggestions in mode enforce lets through
// what was used, and nothing else.
func TestE25Suggest(t *testing.T) { isolated(t, testSuggest) }

func testSuggest(t *testing.T, isolation string) {
	const inspected = `{ agents+: { a+: { egress+: { allow: [{ host: 'more.test', methods: ['GET'], paths: ['/v1/*'] }] } } } }`
	h := boot(t, isolation, inspected, `{ egress+: { mode: 'report' } }`)
	h.net.Names(map[string]origins.Answer{"meta.test": {Addresses: []string{"169.254.169.254"}}})
	used := []string{
		"curl -sS -m 5 https://web.test/x", "curl -sS -m 5 http://web.test/y", "curl -sS -m 5 https://other.test/",
		"bash -c 'exec 3<>/dev/tcp/ssh.test/22; read -r -t 5 line <&3'",
		"curl -sS -m 5 -f --cacert /etc/fleet/ca.pem https://more.test/v1/a", "curl -sS -m 5 -f --cacert /etc/fleet/ca.pem -X POST -d x https://more.test/v2/b",
	}
	for _, script := range used {
		h.must("a", script)
	}
	h.refused("a", "curl -sS -m 5 -f http://meta.test/")
	h.refused("a", "curl -sS -m 5 -f http://169.254.169.254/")
	address := "curl -sS -m 5 https://1.2.3.4/ -k"
	if strings.Contains(isolation, "user") {
		h.refused("a", address) // by the firewall, in every mode: nothing leads such connections to the gate
		h.must("a", address+" --proxy $PROXY")
	} else {
		h.must("a", address)
	}
	h.MustRun("journalctl", "--namespace=fleet-demo", "--sync")
	text := h.fleet(0, "egress", "suggest", "a")
	var got []struct{ Allow []fleet.EgressRule }
	if err := json.Unmarshal([]byte(h.fleet(0, "egress", "suggest", "a", "--json")), &got); err != nil || len(got) != 1 {
		t.Fatalf("%v, %+v", err, got)
	}
	for _, want := range []string{
		"'web.test',", "'other.test:443',", "{ host: 'ssh.test', ports: [22], protocol: 'raw' },",
		"{ host: 'more.test', ports: [443], methods: ['POST'], paths: ['/v2/b'] },", "1.2.3.4", "left out",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "'meta.test") || strings.Contains(text, "*") || len(got[0].Allow) != 4 {
		t.Errorf("too much:\n%s", text)
	}

	next := h.Build(e2e.Spec(idle, origins.Spec, isolation, inspected, text))
	out := h.SwitchTo(4, next, "--dry-run")
	for _, want := range []string{"+ wider     a: may reach web.test on ports 80, 443 (agents.a.egress.allow[", "- narrower  a, b: egress mode enforce instead of report"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	h.Switch(next, "--now")
	for _, script := range used {
		h.must("a", script)
	}
	for _, script := range []string{
		"curl -sS -m 5 -f http://other.test/", "curl -sS -m 5 -f --cacert /etc/fleet/ca.pem https://more.test/v2/c", "curl -sS -m 5 -k https://1.2.3.4/",
		"curl -sS -m 5 -f --cacert /etc/fleet/ca.pem -X PUT -d x https://more.test/v2/b", "curl -sS -m 5 https://x.web.test/",
	} {
		h.refused("a", script)
	}
	h.MustRun("journalctl", "--namespace=fleet-demo", "--sync")
	if again := h.fleet(0, "egress", "suggest", "a"); !strings.Contains(again, "// a: nothing to add") {
		t.Errorf("what is allowed now is suggested again:\n%s", again)
	}
}
