// Package access compares what two generations give to whom. Widening is what a reviewer must see, so it is told apart
// from narrowing; a difference that is neither is not told here.
package access

import (
	"fmt"
	"slices"
	"strings"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Change is one difference.
type Change struct {
	Agent string `json:"agent,omitempty"` // key, "" for the whole project
	What  string `json:"what"`            // one word, such as isolation, sudo or mount
	Text  string `json:"text"`            // for people; values are the spec's and may be anything
}

// Changes are the differences of two generations, by agent.
type Changes struct {
	Widening  []Change `json:"widening"`
	Narrowing []Change `json:"narrowing"`
}

// Compare returns what the new generation gives and takes. old is nil where there is none. What cannot be judged counts
// as widening.
func Compare(old, next *manifest.Manifest) Changes {
	c := Changes{Widening: []Change{}, Narrowing: []Change{}}
	if old == nil {
		old = &manifest.Manifest{}
	}
	c.list("", "operators", "members of %s may operate agents", old.Groups, next.Groups)
	for _, key := range keys(old, next) {
		c.agent(key, find(old, key), find(next, key))
		c.secrets(key, old, next)
	}
	return c
}

func keys(manifests ...*manifest.Manifest) []string {
	var out []string
	for _, m := range manifests {
		for _, a := range m.Agents {
			out = append(out, a.Key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// find returns an agent that runs; a disabled one has no access to anything.
func find(m *manifest.Manifest, key string) *manifest.Agent {
	for i := range m.Agents {
		if m.Agents[i].Key == key && m.Agents[i].Enabled {
			return &m.Agents[i]
		}
	}
	return nil
}

func (c *Changes) change(wider bool, key, what, format string, args ...any) {
	to := &c.Narrowing
	if wider {
		to = &c.Widening
	}
	*to = append(*to, Change{Agent: key, What: what, Text: fmt.Sprintf(format, args...)})
}

// list tells what is in one list only.
func (c *Changes) list(key, what, format string, old, next []string) {
	for _, v := range without(next, old) {
		c.change(true, key, what, format, v)
	}
	for _, v := range without(old, next) {
		c.change(false, key, what, "no longer: "+format, v)
	}
}

// without returns the items of a that b lacks.
func without(a, b []string) []string {
	var out []string
	for _, v := range a {
		if !slices.Contains(b, v) {
			out = append(out, v)
		}
	}
	return out
}

// Text renders the changes for people, widening first and marked with "+", one line each; "" where there is none. What is
// the same of several agents is one line.
func (c Changes) Text() string {
	var b strings.Builder
	for _, part := range []struct {
		mark string
		list []Change
	}{{"+ wider ", c.Widening}, {"- narrower", c.Narrowing}} {
		who := map[string][]string{}
		for _, x := range part.list {
			who[x.Text] = append(who[x.Text], x.who())
		}
		for _, x := range part.list {
			if all := who[x.Text]; all != nil {
				fmt.Fprintf(&b, "%-10s  %s: %s\n", part.mark, strings.Join(all, ", "), report.Printable(x.Text))
				who[x.Text] = nil
			}
		}
	}
	return b.String()
}

func (x Change) who() string {
	if x.Agent == "" {
		return "project"
	}
	return report.Printable(x.Agent)
}
