// Package statustext shows a status to a person. Whatever came from outside is made printable here.
package statustext

import (
	"fmt"
	"strings"
	"time"

	"fleet/activate/plaintext"
	"fleet/cmd/fleet/internal/table"
	"fleet/schemas/status"
)

// View says how a status is shown.
type View struct {
	Now   time.Time
	Width int // columns of the terminal, 0 is no limit
	Color bool
}

// maxReason bounds what is told of one agent or one drift.
const maxReason = 500

// Text renders a status for a person: the project in one line, a line for each agent, then whatever is not as it should
// be. All that came from outside is printable.
func (v View) Text(s *status.Status) string {
	var b strings.Builder
	b.WriteString(v.project(s) + "\n")
	b.WriteString(v.agents(s).Render(v.Width, v.Color))
	b.WriteString(v.sidecars(s))
	for _, line := range v.remarks(s) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (v View) project(s *status.Status) string {
	g := s.Generation
	about := []string{shortID(g.ID)}
	if !g.Since.IsZero() {
		about = append(about, "active "+age(v.Now.Sub(g.Since)))
	}
	state, color := g.State, table.Yellow
	switch {
	case g.State == status.Confirmed:
		state, color = "booted", ""
	case g.Boot > 0:
		state += fmt.Sprintf(", the next boot starts %d", g.Boot)
	}
	about = append(about, table.Paint(plaintext.Line(state), color, v.Color))
	drift := "drift: none"
	if n := len(s.Drift); n > 0 {
		drift = table.Paint(fmt.Sprintf("drift: %d", n), table.Red, v.Color)
	}
	text := fmt.Sprintf("project %s   generation %d (%s)", plaintext.Line(s.Project), g.Number, strings.Join(about, ", "))
	if v.Width > 0 && len(text)+len("   drift: none") > v.Width {
		return text + "\n" + drift
	}
	return text + "   " + drift
}

func shortID(id string) string { return plaintext.Line(id[:min(8, len(id))]) }

func (v View) agents(s *status.Status) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "AGENT"}, {Title: "STATE"}, {Title: "SESSION", Rank: 1}, {Title: "LAST BEAT", Rank: 3}, {Title: "GATE", Rank: 2}, {Title: "EGRESS 24h", Rank: 4}, {Title: "MEMORY", Rank: 6}, {Title: "NEXT", Rank: 5}}}
	for _, a := range s.Agents {
		row := table.Cells(plaintext.Line(a.Key), plaintext.Line(a.State), v.session(a.Session), v.beat(a), gate(a.Gate), egress(a.Egress), memory(a.Memory), in(v.Now, a.Next))
		row[1].Color, row[4].Color = stateColor(a), gateColor(a.Gate)
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sidecars is a table of the tools that hold secrets, "" where there are none.
func (v View) sidecars(s *status.Status) string {
	if len(s.Sidecars) == 0 {
		return ""
	}
	t := &table.Table{Columns: []table.Column{{Title: "SIDECAR"}, {Title: "STATE"}, {Title: "GATE", Rank: 2}, {Title: "EGRESS 24h", Rank: 3}, {Title: "CALLED BY", Rank: 1}}}
	for _, one := range s.Sidecars {
		state, color := one.State, ""
		switch state {
		case "inactive":
			state = "waiting"
		case "failed":
			color = table.Red
		}
		row := table.Cells(plaintext.Line(strings.TrimPrefix(one.Key, "sidecar-")), plaintext.Line(state), gate(one.Gate), egress(one.Egress), plaintext.Short(strings.Join(one.Agents, ", "), 60))
		row[1].Color, row[2].Color = color, gateColor(one.Gate)
		t.Rows = append(t.Rows, row)
	}
	return t.Render(v.Width, v.Color)
}

func stateColor(a status.Agent) string {
	switch {
	case a.State == status.Failed || !a.Healthy:
		return table.Red
	case a.State == status.Waiting:
		return table.Yellow
	case a.State == status.Working:
		return table.Green
	}
	return ""
}

// session is "#41, 12 min" while it is in progress, "#88 ok, 3 min ago" after.
func (v View) session(s *status.Session) string {
	if s == nil {
		return "-"
	}
	text := fmt.Sprintf("#%d", s.N)
	if s.Job != "" {
		text += " " + plaintext.Short(s.Job, 20)
	}
	if !s.End.IsZero() {
		return text + " " + plaintext.Short(s.Result, 10) + ", " + ago(v.Now, s.End)
	}
	if s.Start.IsZero() {
		return text
	}
	return text + ", " + age(v.Now.Sub(s.Start))
}

func (v View) beat(a status.Agent) string {
	switch {
	case a.LastBeat.IsZero():
		return "-"
	case a.LastBeat.After(v.Now.Add(time.Second)):
		return "future"
	}
	return age(v.Now.Sub(a.LastBeat))
}

func memory(m *status.Memory) string {
	if m == nil {
		return "-"
	}
	if m.Limit == 0 {
		return byteSize(m.Used)
	}
	return byteSize(m.Used) + "/" + byteSize(m.Limit)
}

// remarks are the lines below the table.
func (v View) remarks(s *status.Status) []string {
	var out []string
	for _, a := range s.Agents {
		if a.Reason != "" {
			out = append(out, fmt.Sprintf("%s: %s: %s", plaintext.Line(a.State), plaintext.Line(a.Key), plaintext.Short(a.Reason, maxReason)))
		}
	}
	for _, one := range s.Sidecars {
		if one.Reason != "" {
			out = append(out, fmt.Sprintf("%s: %s", plaintext.Line(one.Key), plaintext.Short(one.Reason, maxReason)))
		}
	}
	for _, r := range s.Reasons {
		out = append(out, table.Paint("not healthy", table.Red, v.Color)+": "+plaintext.Short(r, maxReason))
	}
	out = append(out, v.drift(s.Drift)...)
	if s.Source == status.SourceWatchdog {
		out = append(out, fmt.Sprintf("as the watchdog saw it %s; sudo fleet status looks now", ago(v.Now, s.Time)))
	}
	return out
}

// maxDrift bounds the drift that is listed: where a whole generation is damaged, its first faults tell enough.
const maxDrift = 20

// drift lists differences. A hint that several in a row share comes once, after them.
func (v View) drift(list []status.Drift) []string {
	var out []string
	for i, d := range list {
		if i == maxDrift {
			return append(out, fmt.Sprintf("and %d more: fleet status --json", len(list)-i))
		}
		out = append(out, fmt.Sprintf("%s: %s %s: %s", table.Paint("drift", table.Red, v.Color), plaintext.Line(d.Kind),
			plaintext.Line(d.Name), plaintext.Short(d.Message, maxReason)))
		last := i == len(list)-1 || i == maxDrift-1 || list[i+1].Hint != d.Hint
		if d.Hint != "" && last {
			out = append(out, "  hint: "+plaintext.Short(d.Hint, maxReason))
		}
	}
	return out
}
