package dns

import (
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"fleet/cmd/fleet-gate/internal/names"
	"fleet/schemas/policy"
)

// The gate's own name has an address in every mode, and its other name none.
func TestSelf(t *testing.T) {
	s, l := server(t)
	p := policy.Policy{Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Off}
	m, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*policy.Matcher{m, m.Cut(), m.In(policy.Bypassed)} {
		s.judge.Replace(m)
		if got := show(t, s.Answer(query(t, "Gate.Fleet.internal.", dnsmessage.TypeA, false))); got != "Success "+names.Self.String() {
			t.Errorf("got %q", got)
		}
		if got := show(t, s.Answer(query(t, "denied.fleet.internal.", dnsmessage.TypeA, true))); !strings.HasPrefix(got, "NameError 15: ") {
			t.Errorf("got %q", got)
		}
	}
	want := "allow gate.fleet.internal self\n" + strings.Repeat("deny denied.fleet.internal self\n", 3)
	if got := strings.Join(l.all, "\n") + "\n"; got != want {
		t.Errorf("records:\n%s", got)
	}
}
