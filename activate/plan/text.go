package plan

import (
	"fmt"
	"strings"

	"fleet/schemas/report"
)

// String is the plan for people: a line for each unit, what was found otherwise than generated, and counts; one line
// where there is nothing to do. Values in it are shortened; JSON has the whole ones.
func (p *Plan) String() string {
	var b strings.Builder
	for _, s := range p.Units {
		fmt.Fprintf(&b, "%-12s %s  %s\n", s.Action, report.Printable(s.Unit), s.line())
	}
	for _, d := range p.Drift {
		fmt.Fprintf(&b, "%-12s %s  %s\n", "drift", report.Printable(d.Unit), report.Printable(d.Text))
	}
	return b.String() + p.Counts() + "\n"
}

func (s Step) line() string {
	text := report.Printable(s.Because)
	if s.Policy != "" {
		text += " [" + report.Printable(s.Policy) + "]"
	}
	return text
}

// Counts says how many units each action is for, in one line.
func (p *Plan) Counts() string {
	counts := map[Action]int{}
	for _, s := range p.Units {
		counts[s.Action]++
	}
	var parts []string
	for _, a := range []Action{Stop, ResetFailed, Start, Restart, Reload, Apply, Graceful, Wait, Manual} {
		if counts[a] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[a], a))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("nothing to do; %d units untouched", p.Untouched)
	}
	return fmt.Sprintf("%s; %d untouched", strings.Join(parts, ", "), p.Untouched)
}

// Empty reports whether no unit is touched.
func (p *Plan) Empty() bool {
	for _, s := range p.Units {
		if s.Touches() {
			return false
		}
	}
	return true
}
