package model_test

import (
	"strings"
	"testing"

	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// A placeholder has the form that was asked for, says what it is, and is another one for each agent, secret and project.
func TestPlaceholder(t *testing.T) {
	seen := map[string]bool{}
	for _, form := range []fleet.Placeholder{{}, {Prefix: "ghp_", Length: 40}, {Length: 20}, {Prefix: "sk-ant-api03-", Length: 108}, {Prefix: "x", Length: 512}} {
		for _, who := range [][3]string{{"p", "a", "TOKEN"}, {"p", "b", "TOKEN"}, {"q", "a", "TOKEN"}, {"p", "a", "TOKEN_2"}} {
			got := model.Placeholder(who[0], who[1], who[2], form)
			if again := model.Placeholder(who[0], who[1], who[2], form); again != got {
				t.Errorf("%q, then %q", got, again)
			}
			if seen[got] || !strings.HasPrefix(got, form.Prefix) || !strings.Contains(got, "fleet") || form.Length > 0 && len(got) != form.Length {
				t.Errorf("%+v for %v: %q", form, who, got)
			}
			seen[got] = true
			p := policy.Policy{Version: 1, Project: "p", Agent: "a", Mode: policy.Enforce, Secrets: []policy.Secret{
				{Name: who[2], Placeholder: got, Hosts: []string{"x.test"}, Ports: []int{443}, Bearer: true},
			}}
			if r := p.Check(); r.Failed() {
				t.Error(r.Err())
			}
		}
	}
	for _, prefix := range []string{"", "abcdefghijkl", strings.Repeat("p", 64)} {
		form := fleet.Placeholder{Prefix: prefix, Length: model.LeastPlaceholder(prefix)}
		if got := model.Placeholder("p", "a", "LONG_NAME_OF_A_SECRET", form); !strings.HasPrefix(got, prefix+"fleet") || len(got) < policy.MinPlaceholder {
			t.Errorf("%q", got)
		}
	}
}
