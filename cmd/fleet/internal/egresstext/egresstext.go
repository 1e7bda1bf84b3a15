// Package egresstext shows records of gates to a person, one line each. All texts of a record are printable when they
// come here.
package egresstext

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"fleet/activate/plaintext"
	"fleet/cmd/fleet/internal/table"
	"fleet/schemas/audit"
)

// Printer shows records in columns that fit most of them: the next one is not known yet.
type Printer struct {
	agent, width int
	color        bool
	began        bool
}

// New makes a printer for the agents of these keys. width is the terminal's, 0 is no limit.
func New(keys []string, width int, color bool) *Printer {
	p := &Printer{agent: len("AGENT"), width: width, color: color}
	for _, k := range keys {
		p.agent = max(p.agent, len(k))
	}
	return p
}

// whatWidth is the width of the column that names host, port and request; longer ones push the rest to the right.
const whatWidth = 40

// Line is a record's line, below the titles where it is the first one.
func (p *Printer) Line(e audit.Entry) string {
	var b strings.Builder
	if !p.began {
		p.began = true
		p.columns(&b, "TIME", "AGENT", "VERDICT", "", "KIND", "WHAT", "WHY")
	}
	p.columns(&b, e.Time.Local().Format("2006-01-02 15:04:05"), plaintext.Line(e.Agent), verdict(e.Record),
		color(e.Verdict), e.Kind, What(e.Record), why(e.Record))
	return b.String()
}

func (p *Printer) columns(b *strings.Builder, at, agent, verdict, color, kind, what, why string) {
	head := fmt.Sprintf("%-19s  %-*s  ", at, p.agent, agent)
	rest := fmt.Sprintf("  %-7s  %-*s  %s", kind, whatWidth, what, why)
	if p.width > 0 {
		rest = cut(rest, p.width-len(head)-8)
	}
	b.WriteString(head + table.Paint(fmt.Sprintf("%-8s", verdict), color, p.color) + strings.TrimRight(rest, " ") + "\n")
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(0, n-1)]) + "…"
}

func color(verdict string) string {
	switch verdict {
	case audit.Deny:
		return table.Red
	case audit.Would, audit.Bypassed:
		return table.Yellow
	}
	return ""
}

// verdict is the decision, or that it has ended.
func verdict(r audit.Record) string {
	switch {
	case r.Event == audit.End:
		return "end"
	case r.Verdict == audit.Would:
		return "would"
	}
	return r.Verdict
}

// What is what was asked for: method, host, port and path as far as the record has them.
func What(r audit.Record) string {
	text := plaintext.Line(r.Host)
	if strings.Contains(text, ":") {
		text = "[" + text + "]"
	}
	if r.Port != 0 {
		text += fmt.Sprintf(":%d", r.Port)
	}
	if r.Method != "" {
		text = plaintext.Line(r.Method) + " " + text
	}
	return text + plaintext.Line(r.Path)
}

// why names rule and reason, the count, and how it ended.
func why(r audit.Record) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if r.Rule != "" {
		add("%s", plaintext.Line(r.Rule))
	}
	if r.Reason != "" && r.Reason != "allowed" {
		add("%s", plaintext.Line(r.Reason))
	}
	if r.Verdict == audit.Deny && r.Address != "" {
		add("%s", plaintext.Line(r.Address))
	}
	if r.Count > 0 {
		add("%d more", r.Count)
	}
	if r.Ended() {
		add("%s, %d bytes up, %d down, %.1f s", plaintext.Line(r.Result), r.BytesUp, r.BytesDown, float64(r.Micros)/1e6)
	}
	return strings.Join(parts, ", ")
}
