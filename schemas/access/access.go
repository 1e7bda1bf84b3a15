// Package access compares what two generations give to whom. Widening is what a reviewer must see, so it is told apart
// from narrowing; a difference that is neither is not told here.
package access

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Change is one difference.
type Change struct {
	Agent string `json:"agent,omitempty"` // key, "" for the whole project
	What  string `json:"what"`            // agent, isolation, sudo, mount, ports, unsafe, limit, operators, signing
	Text  string `json:"text"`            // for people; values are the spec's and may be anything
}

// Changes are the differences of two generations, by agent.
type Changes struct {
	Widening  []Change `json:"widening"`
	Narrowing []Change `json:"narrowing"`
}

// Compare returns what the new generation gives and takes. old is nil where there is none.
func Compare(old, next *manifest.Manifest) Changes {
	c := Changes{Widening: []Change{}, Narrowing: []Change{}}
	if old == nil {
		old = &manifest.Manifest{}
	}
	c.list("", "operators", "members of %s may operate agents", old.Groups, next.Groups)
	for _, key := range keys(old, next) {
		c.agent(key, find(old, key), find(next, key))
	}
	return c
}

func keys(old, next *manifest.Manifest) []string {
	var out []string
	for _, m := range []*manifest.Manifest{old, next} {
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

// nobody is what an agent that does not run has.
var nobody = manifest.Agent{Isolation: "namespace"}

func (c *Changes) agent(key string, old, next *manifest.Agent) {
	switch {
	case old == nil && next == nil:
		return
	case old == nil:
		c.wider(key, "agent", "runs from now on, as %s with harness %s", next.User, next.Harness)
		old = &nobody
	case next == nil:
		c.narrower(key, "agent", "runs no more")
		next = &nobody
	}
	if old.Isolation != next.Isolation {
		c.change(next.Isolation == "user", key, "isolation", "isolation %s instead of %s", next.Isolation, old.Isolation)
	}
	c.list(key, "sudo", "may run as root: %s", old.Sudo, next.Sudo)
	c.list(key, "mount", "sees the host's folder: %s", old.Mounts, next.Mounts)
	c.list(key, "unsafe", "loosened: %s", old.Unsafe, next.Unsafe)
	c.list(key, "ports", "has loopback ports %s", some(old.Ports), some(next.Ports))
	if old.Signing != next.Signing {
		c.change(next.Signing, key, "signing", "signs commits with a key of its own: %t", next.Signing)
	}
	c.limits(key, old.Limits, next.Limits)
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// list tells what is in one list only.
func (c *Changes) list(key, what, format string, old, next []string) {
	for _, v := range next {
		if !slices.Contains(old, v) {
			c.wider(key, what, format, v)
		}
	}
	for _, v := range old {
		if !slices.Contains(next, v) {
			c.narrower(key, what, "no longer: "+format, v)
		}
	}
}

// limits tells of limits that both have, by number; a limit that is gone is wider, a new one narrower.
func (c *Changes) limits(key string, old, next map[string]string) {
	if old == nil || next == nil {
		return
	}
	var names []string
	for n := range old {
		names = append(names, n)
	}
	for n := range next {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		was, hadOld := old[n]
		is, hasNew := next[n]
		switch {
		case was == is:
		case !hasNew:
			c.wider(key, "limit", "no limit of %s any more", n)
		case !hadOld:
			c.narrower(key, "limit", "limit of %s: %s", n, is)
		default:
			c.change(size(is) > size(was), key, "limit", "limit of %s: %s instead of %s", n, is, was)
		}
	}
}

// size returns the number that a limit begins with: bytes, counts or a percentage.
func size(s string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil {
		return 0
	}
	return n
}

func (c *Changes) change(wider bool, key, what, format string, args ...any) {
	if wider {
		c.wider(key, what, format, args...)
		return
	}
	c.narrower(key, what, format, args...)
}

func (c *Changes) wider(key, what, format string, args ...any) {
	c.Widening = append(c.Widening, Change{Agent: key, What: what, Text: fmt.Sprintf(format, args...)})
}

func (c *Changes) narrower(key, what, format string, args ...any) {
	c.Narrowing = append(c.Narrowing, Change{Agent: key, What: what, Text: fmt.Sprintf(format, args...)})
}

// Text renders the changes for people, widening first and marked with "+", one line each; "" where there is none.
func (c Changes) Text() string {
	var b strings.Builder
	for _, part := range []struct {
		mark string
		list []Change
	}{{"+ wider ", c.Widening}, {"- narrower", c.Narrowing}} {
		for _, x := range part.list {
			who := x.Agent
			if who == "" {
				who = "project"
			}
			fmt.Fprintf(&b, "%-10s  %s: %s\n", part.mark, who, report.Printable(x.Text))
		}
	}
	return b.String()
}
