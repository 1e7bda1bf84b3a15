package nft

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// rules are the rules of each chain. What differs between agents lies in sets and maps, in which the kernel looks up.
func rules(text string) map[string][]string {
	out, chain := map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, begins := strings.CutPrefix(line, "chain ")
		switch {
		case begins:
			chain = strings.TrimSuffix(name, " {")
		case line == "}":
			chain = ""
		case chain != "" && line != "" && !strings.HasPrefix(line, "#"):
			out[chain] = append(out[chain], line)
		}
	}
	return out
}

// The rules that a packet passes are the same ones with 10 and with 10,000 agents.
func TestRulesDoNotGrow(t *testing.T) {
	of := func(n int) map[string][]string {
		var agents []model.Agent
		for i := range n {
			a := agent1(fmt.Sprintf("w%05d", i), 70000+i, model.Namespace, nil)
			if i%2 == 0 {
				a.Isolation, a.LocalPorts = model.User, &fleet.PortRange{From: 5000 + i, To: 5000 + i}
			}
			agents = append(agents, a)
		}
		m := demoFleet(agents...)
		m.UIDs.To = 199_999 // as many have room
		return rules(mustText(t, m))
	}
	few, many := of(10), of(10_000)
	if len(few) < 4 || len(few["output"]) == 0 {
		t.Fatalf("not read: %v", few)
	}
	if d := cmp.Diff(few, many); d != "" {
		t.Errorf("-10 agents +10,000\n%s", d)
	}
}
