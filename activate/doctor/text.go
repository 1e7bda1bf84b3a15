package doctor

import (
	"strings"

	"fleet/schemas/report"
)

// Text renders findings for people, one line each and one for its hint, and how to mend what packages can.
func Text(e Env, findings []Finding) string {
	if len(findings) == 0 {
		return "this host has all that fleet needs"
	}
	var r report.Report
	for _, f := range findings {
		r.Add(report.Entry{Severity: f.Severity, Where: f.Check, Message: f.Message, Hint: f.Hint})
	}
	text := r.String()
	commands := Commands(e, findings)
	if len(commands) == 0 {
		return text
	}
	text += "\n`fleet doctor --fix` runs:"
	for _, argv := range commands {
		text += "\n  " + strings.Join(argv, " ")
	}
	return text
}
