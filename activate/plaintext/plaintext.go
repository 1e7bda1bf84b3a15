// Package plaintext makes what an agent wrote safe and readable on a terminal.
package plaintext

import (
	"regexp"
	"strings"

	"fleet/schemas/report"
)

// sequences are the well-formed escape sequences that terminal programs print by the thousand: taking them out whole
// leaves text that can be read, and what remains is escaped anyhow. CSI, OSC with its end, and two-byte ones.
var sequences = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[()][0-9A-Z]|[=>78])")

var blanks = strings.NewReplacer("\t", "    ", "\r\n", " ", "\n", " ")

// maxLine bounds one line that is shown.
const maxLine = 16 << 10

// Line makes one line of a program's output safe to show: escape sequences are taken out, tabs and line ends become
// blanks, every other character that could steer a terminal is written as Go writes it.
func Line(s string) string {
	if len(s) > maxLine {
		s = s[:maxLine] + "..."
	}
	s = sequences.ReplaceAllString(strings.TrimRight(s, "\r\n"), "")
	return report.Printable(blanks.Replace(s))
}

// Short is Line of at most n characters, three dots for what is left out.
func Short(s string, n int) string {
	r := []rune(Line(s))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:max(0, n-3)]) + "..."
}
