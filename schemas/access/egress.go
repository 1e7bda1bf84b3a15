package access

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/policy"
)

// Egress adds what the policies of two generations let agents reach and no longer reach, by asking both: a rule that is
// taken out may open what it kept shut below a wildcard. A policy that does not compile is an error.
func (c *Changes) Egress(old, next Policies) error {
	all := slices.Concat(slices.Collect(maps.Keys(old)), slices.Collect(maps.Keys(next)))
	slices.Sort(all)
	for _, key := range slices.Compact(all) {
		if next[key] == nil {
			continue // told as an agent that runs no more
		}
		before := old[key]
		if before == nil {
			before = &policy.Policy{Version: policy.Version, Project: next[key].Project, Agent: key, Mode: policy.Enforce}
		}
		if err := c.policies(key, before, next[key]); err != nil {
			return err
		}
	}
	return nil
}

var modes = []string{policy.Enforce, policy.Report, policy.Off}

func (c *Changes) policies(key string, old, next *policy.Policy) error {
	if old.Mode != next.Mode {
		c.change(rank(modes, next.Mode) > rank(modes, old.Mode), key, "egress", "egress mode %s instead of %s%s",
			next.Mode, old.Mode, map[bool]string{true: ": what no rule allows is let through"}[next.Mode != policy.Enforce])
	}
	if old.DNS != next.DNS {
		c.change(true, key, "egress", "its gate asks %s for names instead of %s", or(next.DNS, "the host's resolver"),
			or(old.DNS, "the host's resolver"))
	}
	c.upstream(key, old.Upstream, next.Upstream)
	a, err := newSide(old)
	if err != nil {
		return fmt.Errorf("agent %s, old policy: %w", key, err)
	}
	b, err := newSide(next)
	if err != nil {
		return fmt.Errorf("agent %s, new policy: %w", key, err)
	}
	hosts := slices.Concat(a.hosts(), b.hosts())
	slices.Sort(hosts)
	for _, h := range slices.Compact(hosts) {
		c.host(key, h, a, b)
	}
	return nil
}

func (c *Changes) upstream(key string, old, next *policy.Upstream) {
	name := func(u *policy.Upstream) string {
		if u == nil {
			return "directly"
		}
		return "through " + u.Host + ":" + strconv.Itoa(u.Port)
	}
	if name(old) != name(next) {
		c.change(true, key, "egress", "its gate goes out %s instead of %s", name(next), name(old))
	}
	was, is := old != nil && old.Resolves, next != nil && next.Resolves
	switch {
	case is && !was:
		c.change(true, key, "egress", "the proxy behind its gate looks names up, so that no address is checked")
	case was && !is && next != nil:
		c.change(false, key, "egress", "its gate looks names up itself and checks the addresses")
	}
}

// host compares what both sides let through to one host of a rule. Ports of which the same is to be told come together.
func (c *Changes) host(key, host string, old, next *side) {
	type telling struct {
		wider        bool
		format, more string
	}
	ports := map[telling][]int{}
	for _, port := range union(old.ports(host), next.ports(host)) {
		q := question{host: host, port: port, methods: union(old.methods(host), next.methods(host)), paths: union(old.paths(host), next.paths(host))}
		a, b := old.ask(q), next.ask(q)
		tell := func(wider bool, format, more string) {
			t := telling{wider, format, more}
			ports[t] = append(ports[t], port)
		}
		compare(a, b, tell)
	}
	order := slices.SortedFunc(maps.Keys(ports), func(x, y telling) int {
		return cmp.Or(cmp.Compare(x.format, y.format), cmp.Compare(x.more, y.more), slices.Compare(ports[x], ports[y]))
	})
	for _, t := range order {
		c.change(t.wider, key, "egress", t.format, host+onPorts(ports[t]), t.more)
	}
}

// Formats of what is told, of the host with its ports and one text more.
const (
	reaches   = "may reach %s%s"
	lost      = "no longer reaches %s%s"
	more      = "may ask %s for more: %s"
	less      = "may ask %s for less: no %s"
	only      = "may ask %s for less, only %s"
	private   = "may reach %s at private addresses%s"
	public    = "no longer reaches %s at private addresses%s"
	raw       = "may speak any protocol to %s%s"
	notRaw    = "may no longer speak any protocol to %s%s"
	limitOver = "limit for %s: %s"
)

func compare(a, b answer, tell func(wider bool, format, more string)) {
	switch {
	case len(a.cells) == 0 && len(b.cells) == 0:
		return
	case len(a.cells) == 0:
		tell(true, reaches, b.about())
		return
	case len(b.cells) == 0:
		tell(false, lost, "")
		return
	}
	if gained := without(b.cells, a.cells); len(gained) > 0 {
		if b.all {
			gained = []string{"every method and path"}
		}
		tell(true, more, shorten(gained))
	}
	if gone := without(a.cells, b.cells); len(gone) > 0 {
		if a.all {
			tell(false, only, shorten(b.cells))
		} else {
			tell(false, less, shorten(gone))
		}
	}
	if a.private != b.private {
		tell(b.private, map[bool]string{true: private, false: public}[b.private], "")
	}
	if a.raw != b.raw {
		tell(b.raw, map[bool]string{true: raw, false: notRaw}[b.raw], "")
	}
	for _, l := range []struct {
		what    string
		was, is int64
	}{
		{"requests a day", a.limits.RequestsPerDay, b.limits.RequestsPerDay},
		{"bytes up a day", a.limits.BytesUpPerDay, b.limits.BytesUpPerDay},
	} {
		if l.was != l.is {
			wider := l.is == 0 || l.was != 0 && l.is > l.was
			tell(wider, limitOver, fmt.Sprintf("%s %s instead of %s", limitText(l.is), l.what, limitText(l.was)))
		}
	}
}

func limitText(n int64) string {
	if n == 0 {
		return "any number of"
	}
	return strconv.FormatInt(n, 10)
}

// maxCells bounds the requests that a line names.
const maxCells = 6

func shorten(cells []string) string {
	if len(cells) > maxCells {
		return fmt.Sprintf("%s and %d more", strings.Join(cells[:maxCells], ", "), len(cells)-maxCells)
	}
	return strings.Join(cells, ", ")
}

func onPorts(ports []int) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = strconv.Itoa(p)
	}
	if len(texts) == 1 {
		return " on port " + texts[0]
	}
	return " on ports " + strings.Join(texts, ", ")
}

func union[T cmp.Ordered](a, b []T) []T {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
