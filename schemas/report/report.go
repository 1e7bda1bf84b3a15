// Package report collects what is wrong with an input, so that a person sees every fault at once.
//
// A check adds entries and goes on; only the caller decides what a report with errors means. Messages say what must
// hold, in lower case and without a full stop; a hint names the remedy.
package report

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// Severity tells an entry that refuses the input from one that only informs.
type Severity int

// An Error refuses the input; a Warning does not.
const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText makes a severity readable in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Entry is one finding.
type Entry struct {
	Severity Severity `json:"severity"`
	Where    string   `json:"where"`          // file, host object or "" where the path says enough
	Path     string   `json:"path,omitempty"` // place inside Where, such as agents.worker.iteration
	Message  string   `json:"message"`        // what must hold, the faulty value quoted in it
	Hint     string   `json:"hint,omitempty"` // the remedy
}

// Report is a list of findings. The zero value is ready for use.
type Report struct {
	Entries []Entry `json:"entries"`
}

// Add appends an entry.
func (r *Report) Add(e Entry) { r.Entries = append(r.Entries, e) }

// Errorf adds an error without a hint at path.
func (r *Report) Errorf(path, format string, args ...any) {
	r.Add(Entry{Path: path, Message: fmt.Sprintf(format, args...)})
}

// ErrorHint adds an error with a hint at path.
func (r *Report) ErrorHint(path, message, hint string) {
	r.Add(Entry{Path: path, Message: message, Hint: hint})
}

// Warn adds a warning at path.
func (r *Report) Warn(path, message, hint string) {
	r.Add(Entry{Severity: Warning, Path: path, Message: message, Hint: hint})
}

// Merge appends all of o's entries, with where set on those that have none.
func (r *Report) Merge(where string, o Report) {
	for _, e := range o.Entries {
		if e.Where == "" {
			e.Where = where
		}
		r.Add(e)
	}
}

// Failed reports whether an entry is an error.
func (r *Report) Failed() bool {
	for _, e := range r.Entries {
		if e.Severity == Error {
			return true
		}
	}
	return false
}

// Err returns nil where nothing failed, else an *Err that carries the whole report.
func (r *Report) Err() error {
	if !r.Failed() {
		return nil
	}
	return &Err{Report: *r}
}

// Sort orders entries by where, path, severity and message, so that output is stable.
func (r *Report) Sort() {
	sort.SliceStable(r.Entries, func(i, j int) bool {
		a, b := r.Entries[i], r.Entries[j]
		switch {
		case a.Where != b.Where:
			return a.Where < b.Where
		case a.Path != b.Path:
			return a.Path < b.Path
		case a.Severity != b.Severity:
			return a.Severity < b.Severity
		}
		return a.Message < b.Message
	})
}

// String renders one line for each entry, and one for its hint; a hint that several in a row share stands after the last:
//
//	fleet.jsonnet: agents.worker.iteration: "5 minutes" is not a duration
//	  hint: write "5m", "1h30m" or "45s"
func (r *Report) String() string {
	var b strings.Builder
	for i, e := range r.Entries {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i+1 < len(r.Entries) && r.Entries[i+1].Hint == e.Hint {
			e.Hint = "" // the next one says it
		}
		b.WriteString(e.String())
	}
	return b.String()
}

// String renders the entry as Report.String does. Control characters are escaped, since values come from outside.
func (e Entry) String() string {
	var parts []string
	for _, p := range []string{e.Where, e.Path} {
		if p != "" {
			parts = append(parts, Printable(p))
		}
	}
	msg := Printable(e.Message)
	if e.Severity == Warning {
		msg = "warning: " + msg
	}
	s := strings.Join(append(parts, msg), ": ")
	if e.Hint != "" {
		s += "\n  hint: " + Printable(e.Hint)
	}
	return s
}

// Err is a report with at least one error, as an error value. Callers match it with errors.As to learn that an input
// was refused and nothing was changed.
type Err struct{ Report Report }

// Error returns the report's text.
func (e *Err) Error() string { return e.Report.String() }

// Printable returns s with every control, format and invalid character escaped as Go source does, so that text from
// outside cannot steer a terminal.
func Printable(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			q := fmt.Sprintf("%+q", string(c))
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
