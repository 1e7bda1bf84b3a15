//go:build machine

package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// point is an effect before which a switch can be killed, named so that it is found in another project's switch and in
// one with other numbers.
type point struct {
	phase   string
	pattern string // of its text, with PROJECT for the project
	nth     int    // of those with that pattern
}

func (p point) String() string { return fmt.Sprintf("%s %s (%d)", p.phase, p.pattern, p.nth) }

// before reports whether the point is in an earlier phase.
func (p point) before(phase string) bool {
	return len(p.phase) < len(phase) || len(p.phase) == len(phase) && p.phase < phase
}

// fault kills project's next switch there.
func (p point) fault(project string) fault {
	return fault{
		Args: detached(project), Before: strings.ReplaceAll(p.pattern, "PROJECT", project), Nth: p.nth,
		Log: effectLog + "." + project,
	}
}

// What differs from switch to switch: nonces, numbers, content, and the agent that goes or comes.
var (
	hexForm    = regexp.MustCompile(`[0-9a-f]{16,32}`)
	numberForm = regexp.MustCompile(`generations/[0-9]+`)
	agentForm  = regexp.MustCompile(`([-/])x[0-9]+([-./\\]|$)`)
)

func pattern(text, project string) string {
	text = regexp.QuoteMeta(text)
	text = regexp.MustCompile(`\b`+project+`\b`).ReplaceAllString(text, "PROJECT")
	text = hexForm.ReplaceAllString(text, "[0-9a-f]{16,32}")
	text = numberForm.ReplaceAllString(text, "generations/[0-9]+")
	return agentForm.ReplaceAllString(text, "${1}x[0-9]+${2}")
}

// points returns every point of a switch of a project that was listed from its begin to its end.
func points(list []string, project string) []point {
	var out []point
	seen, phase, records := map[string]int{}, 1, 0
	for i, text := range list {
		pat := pattern(text, project)
		seen[pat]++
		switch {
		case strings.HasPrefix(text, "write ") && strings.HasSuffix(text, ".lines"):
			phase = 3
		case record.MatchString(text): // P3 makes it, and each phase from P4 on begins with it
			records++
			phase = max(3, 2+records)
		case i > 1 && movesBoot(list[i-2]): // its folder has been put on disk in between
			phase = 13
		}
		out = append(out, point{phase: fmt.Sprint("P", phase), pattern: pat, nth: seen[pat]})
	}
	return out
}

var record = regexp.MustCompile(`^write /var/lib/fleet/[a-z0-9]+/txn/[0-9a-f]+\.json$`)

// movesBoot reports whether the effect is the commit point.
func movesBoot(text string) bool {
	return strings.HasPrefix(text, "rename /etc/fleet/") && strings.Contains(text, "/boot -> ")
}

// committed reports whether the switch with this list had moved the boot default when it was killed before the last.
func committed(list []string) bool { return slices.ContainsFunc(butLast(list), movesBoot) }

func butLast(list []string) []string { return list[:max(0, len(list)-1)] }
