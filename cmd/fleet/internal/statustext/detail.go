package statustext

import (
	"fmt"
	"strings"
	"time"

	"fleet/activate/plaintext"
	"fleet/cmd/fleet/internal/table"
	"fleet/schemas/status"
)

// Detail renders all that is known of one agent.
func (v View) Detail(s *status.Status, a status.Agent) string {
	d := a.Detail
	head := fmt.Sprintf("agent %s of project %s: %s", plaintext.Line(a.Key), plaintext.Line(s.Project), table.Paint(plaintext.Line(a.State), stateColor(a), v.Color))
	if a.Session != nil {
		head += ", session " + v.session(a.Session)
	}
	lines := []string{head}
	add := func(name, text string) {
		if text != "" {
			lines = append(lines, fmt.Sprintf("  %-10s %s", name, text))
		}
	}
	add("reason", plaintext.Short(a.Reason, maxReason))
	add("name", plaintext.Line(a.Name))
	add("user", fmt.Sprintf("%s, uid %d", plaintext.Line(a.User), d.UID))
	add("unit", plaintext.Line(a.Unit))
	add("isolation", isolation(d))
	add("harness", plaintext.Line(d.Harness))
	add("on change", plaintext.Line(d.OnChange))
	add("last beat", ago(v.Now, a.LastBeat))
	add("gate", gateDetail(a.Gate))
	add("egress", egressDetail(a.Egress))
	add("memory", memory(a.Memory))
	add("git", gitIdentity(d.Git))
	add("signing", plaintext.Line(d.Git.PublicKey))
	add("queue", fmt.Sprintf("%d waiting", d.Queue))
	lines = append(lines, v.sessions(d.Sessions)...)
	lines = append(lines, v.jobs(d.Jobs)...)
	lines = append(lines, counters(d.Counters)...)
	lines = append(lines, v.remarks(&status.Status{Reasons: s.Reasons, Drift: s.Drift, Source: s.Source, Time: s.Time})...)
	return strings.Join(lines, "\n") + "\n"
}

func isolation(d *status.Detail) string {
	if d.Exposure == "" {
		return plaintext.Line(d.Isolation)
	}
	return plaintext.Line(d.Isolation + ", exposure " + d.Exposure)
}

func gitIdentity(g status.Git) string {
	if g.Email == "" {
		return plaintext.Line(g.Name)
	}
	return plaintext.Line(fmt.Sprintf("%s <%s>", g.Name, g.Email))
}

// Sessions renders a list of sessions, "" for none.
func (v View) Sessions(list []status.Session) string {
	if len(list) == 0 {
		return ""
	}
	return sessionTable(list).Render(v.Width, v.Color)
}

// Jobs renders schedules of several agents.
func (v View) Jobs(list []status.Job) string { return v.jobTable(list, true).Render(v.Width, v.Color) }

func (v View) sessions(list []status.Session) []string {
	if len(list) == 0 {
		return nil
	}
	return v.block("sessions", sessionTable(list))
}

func sessionTable(list []status.Session) *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "SESSION"},
		{Title: "KIND", Rank: 2},
		{Title: "START"},
		{Title: "TOOK", Rank: 1},
		{Title: "RESULT"},
		{Title: "TOKENS", Rank: 4},
		{Title: "COST", Rank: 3},
	}}
	for _, s := range list {
		t.Rows = append(t.Rows, table.Cells(fmt.Sprintf("#%d", s.N), sessionKind(s), stamp(s.Start), took(s),
			orDash(plaintext.Short(s.Result, 20)), tokens(s.TokensIn, s.TokensOut), cost(s.Cost)))
	}
	return t
}

func sessionKind(s status.Session) string {
	if s.Job != "" {
		return "job " + plaintext.Short(s.Job, 30)
	}
	if s.Thread != "" {
		return "answer in " + plaintext.Short(s.Thread, 50)
	}
	return plaintext.Short(s.Kind, 10)
}

func took(s status.Session) string {
	if s.End.IsZero() || s.Start.IsZero() {
		return "-"
	}
	return age(s.End.Sub(s.Start))
}

func (v View) jobs(list []status.Job) []string {
	if len(list) == 0 {
		return nil
	}
	return v.block("jobs", v.jobTable(list, false))
}

func (v View) jobTable(list []status.Job, withAgent bool) *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "JOB"},
		{Title: "NEXT"},
		{Title: "LAST", Rank: 1},
		{Title: "RESULT", Rank: 2},
		{Title: "TOKENS", Rank: 4},
		{Title: "COST", Rank: 3},
	}}
	if withAgent {
		t.Columns = append([]table.Column{{Title: "AGENT"}}, t.Columns...)
	}
	for _, j := range list {
		result, next := orDash(plaintext.Short(j.Result, 20)), in(v.Now, j.Next)
		if j.Running {
			result = "running"
		}
		row := table.Cells(plaintext.Line(j.Name), next, ago(v.Now, j.Last), result, tokens(j.TokensIn, j.TokensOut),
			cost(j.Cost))
		if withAgent {
			row = append(table.Cells(plaintext.Line(j.Agent)), row...)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func counters(list []status.Counter) []string {
	if len(list) == 0 {
		return nil
	}
	var parts []string
	for _, c := range list {
		parts = append(parts, fmt.Sprintf("%s %d packets (%s bytes)", plaintext.Line(c.Name), c.Packets, byteSize(c.Bytes)))
	}
	return []string{"  firewall   " + strings.Join(parts, ", ")}
}

func (v View) block(name string, t *table.Table) []string {
	width := v.Width
	if width > 0 {
		width = max(20, width-4)
	}
	lines := []string{"  " + name}
	for l := range strings.Lines(t.Render(width, v.Color)) {
		lines = append(lines, "    "+strings.TrimRight(l, "\n"))
	}
	return lines
}

// stamp is a point in time for people, in the local time zone.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// tokens are those read and those written.
func tokens(in, out int) string {
	if in <= 0 && out <= 0 {
		return "-"
	}
	return thousands(int64(in)) + " / " + thousands(int64(out))
}

// cost is what the agent's records say: more than a million is no cost.
func cost(usd float64) string {
	if usd <= 0 || usd > 1e6 {
		return "-"
	}
	return fmt.Sprintf("$%.2f", usd)
}
