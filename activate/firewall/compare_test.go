package firewall

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/system"
)

func sample() table {
	return table{
		chains: map[string]chain{"output": {attributes: "hook", rules: []string{"a", "b"}}},
		sets:   map[string]set{"agents": {attributes: "uid", elements: []string{"1", "2"}}},
		objs:   map[string]string{"agent_lead": "1"},
	}
}

func TestCompare(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*table)
		want []string
	}{
		"same":          {func(*table) {}, nil},
		"dormant":       {func(t *table) { t.flags = flagDormant }, []string{"is switched off (dormant)"}},
		"owner":         {func(t *table) { t.flags = flagOwner }, []string{"must belong to its holder and does not, or the other way round"}},
		"rule changed":  {func(t *table) { t.chains["output"].rules[1] = "c" }, []string{"chain output: rule 2 differs"}},
		"rules swapped": {func(t *table) { t.chains["output"] = chain{"hook", []string{"b", "a"}} }, []string{"chain output: rule 1 differs", "chain output: rule 2 differs"}},
		"no rules":      {func(t *table) { t.chains["output"] = chain{"hook", nil} }, []string{"chain output: has 0 rules instead of 2"}},
		"hook":          {func(t *table) { t.chains["output"] = chain{"", []string{"a", "b"}} }, []string{"chain output has another hook, priority or policy"}},
		"chains": {
			func(t *table) { t.chains = map[string]chain{"x": {}} },
			[]string{"chain output is missing", "chain x is foreign"},
		},
		"elements": {
			func(t *table) { t.sets["agents"] = set{"uid", false, []string{"2", "3", "4"}} },
			[]string{"set agents: 1 elements are missing and 2 are foreign"},
		},
		"sets":     {func(t *table) { t.sets = map[string]set{"x": {}} }, []string{"set agents is missing", "set x is foreign"}},
		"kind":     {func(t *table) { t.sets["agents"] = set{"gid", false, []string{"1", "2"}} }, []string{"set agents is of another kind"}},
		"counters": {func(t *table) { t.objs = map[string]string{"x": "1"} }, []string{"counter agent_lead is missing", "counter x is foreign"}},
	} {
		t.Run(name, func(t *testing.T) {
			have := sample()
			tc.edit(&have)
			if diff := cmp.Diff(tc.want, compare(sample(), have)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the script says reaches the caller without the journal's priorities.
func TestLoadError(t *testing.T) {
	script := filepath.Join(t.TempDir(), "firewall")
	if err := os.WriteFile(script, []byte("echo \"<3>firewall: $1 $2: broken\" >&2; exit 1\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	for verb, do := range map[string]func(context.Context, system.Effects, string, string) error{"reload": Load, "withdraw": Withdraw} {
		err := do(context.Background(), system.Real{}, script, "/x/demo.nft")
		if err == nil || !strings.Contains(err.Error(), ": firewall: "+verb+" /x/demo.nft: broken") {
			t.Errorf("got %v", err)
		}
	}
}
