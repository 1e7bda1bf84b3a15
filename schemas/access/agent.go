package access

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/manifest"
)

// nobody is what an agent that does not run has.
var nobody = manifest.Agent{Isolation: "namespace"}

func (c *Changes) agent(key string, old, next *manifest.Agent) {
	runs := old != nil && next != nil
	switch {
	case old == nil && next == nil:
		return
	case old == nil:
		c.change(true, key, "agent", "runs from now on, as %s with harness %s", next.User, next.Harness)
		old = &nobody
	case next == nil:
		c.change(false, key, "agent", "runs no more")
		return
	}
	if !runs && next.Isolation != nobody.Isolation {
		c.change(true, key, "isolation", "isolation %s", next.Isolation)
	} else if old.Isolation != next.Isolation {
		c.change(rank(isolations, next.Isolation) > rank(isolations, old.Isolation), key, "isolation",
			"isolation %s instead of %s", next.Isolation, old.Isolation)
	}
	if runs && old.PermissionMode != next.PermissionMode {
		c.change(rank(permissionModes, next.PermissionMode) > rank(permissionModes, old.PermissionMode), key, "permissions",
			"permission mode %s instead of %s", next.PermissionMode, old.PermissionMode)
	}
	c.list(key, "sudo", "may run as root: %s", old.Sudo, next.Sudo)
	c.mounts(key, old.Mounts, next.Mounts)
	c.list(key, "unsafe", "loosened: %s", old.Unsafe, next.Unsafe)
	c.ports(key, old.Ports, next.Ports)
	if old.Signing != next.Signing {
		c.change(next.Signing, key, "signing", "%s with a key of its own", map[bool]string{
			true: "signs commits", false: "no longer signs commits",
		}[next.Signing])
	}
	if runs {
		c.limits(key, old.Limits, next.Limits)
	}
}

// The values of a key from the narrowest on.
var (
	isolations      = []string{"namespace", "user"}
	permissionModes = []string{"plan", "default", "dontAsk", "acceptEdits", "bypassPermissions"}
)

// rank returns where a value stands; one that is not known stands last, as the widest.
func rank(order []string, value string) int {
	if i := slices.Index(order, value); i >= 0 {
		return i
	}
	return len(order)
}

// mounts tells of folders that come and go, and of the right to write to one that stays.
func (c *Changes) mounts(key string, old, next []string) {
	had, has := byFolder(old), byFolder(next)
	for _, folder := range slices.Sorted(maps.Keys(has)) {
		was, stays := had[folder]
		switch is := has[folder]; {
		case !stays:
			c.change(true, key, "mount", "sees the host's folder %s (%s)", folder, is)
		case was != is:
			c.change(is != "ro", key, "mount", "sees the host's folder %s as %s instead of %s", folder, is, was)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(had)) {
		if _, stays := has[folder]; !stays {
			c.change(false, key, "mount", "no longer sees the host's folder %s (%s)", folder, had[folder])
		}
	}
}

// byFolder splits "SOURCE TARGET MODE" into the folders and the mode.
func byFolder(mounts []string) map[string]string {
	out := map[string]string{}
	for _, m := range mounts {
		folder, mode := m, ""
		if i := strings.LastIndexByte(m, ' '); i >= 0 {
			folder, mode = m[:i], m[i+1:]
		}
		if source, target, two := strings.Cut(folder, " "); two && source == target {
			folder = source
		}
		out[folder] = mode
	}
	return out
}

// ports tells of loopback ports gained and lost.
func (c *Changes) ports(key, old, next string) {
	if old == next {
		return
	}
	a, b := manifest.PortRange(old), manifest.PortRange(next)
	inside := func(x, y [2]int) bool { return x[0] > x[1] || x[0] >= y[0] && x[1] <= y[1] }
	text := fmt.Sprintf("has loopback ports %s instead of %s", or(next, "none"), or(old, "none"))
	if !inside(b, a) {
		c.change(true, key, "ports", "%s", text)
	}
	if !inside(a, b) {
		c.change(false, key, "ports", "%s", text)
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// limits tells of limits by number; one that is gone is wider, a new one narrower.
func (c *Changes) limits(key string, old, next map[string]string) {
	names := slices.Sorted(maps.Keys(old))
	names = append(names, slices.Sorted(maps.Keys(next))...)
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		was, hadOld := old[n]
		is, hasNew := next[n]
		switch {
		case was == is && hadOld == hasNew:
		case !hasNew:
			c.change(true, key, "limit", "no limit of %s any more, which was %s", n, was)
		case !hadOld:
			c.change(false, key, "limit", "limit of %s: %s", n, is)
		default:
			c.change(raised(was, is), key, "limit", "limit of %s: %s instead of %s", n, is, was)
		}
	}
}

// raised reports whether a limit (bytes, a count or a percentage) is higher than before, or cannot be compared.
func raised(was, is string) bool {
	a, errA := strconv.ParseFloat(strings.TrimSuffix(was, "%"), 64)
	b, errB := strconv.ParseFloat(strings.TrimSuffix(is, "%"), 64)
	return errA != nil || errB != nil || strings.HasSuffix(was, "%") != strings.HasSuffix(is, "%") || b > a
}
