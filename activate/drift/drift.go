// Package drift finds what differs between the live generation and the host. It reads only, and names the remedy.
package drift

import (
	"fmt"
	"slices"
	"strings"

	"fleet/schemas/report"
	"fleet/schemas/status"
)

// Kinds of drift, as the status schema lists them.
const (
	Link       = "link"
	Generation = "generation"
	Unit       = "unit"
	Override   = "override" // what an administrator did to a unit: respected, and told
	User       = "user"
	Firewall   = "firewall"
	Sudoers    = "sudoers"
)

// list collects drift.
type list struct{ found []status.Drift }

func (l *list) add(kind, name, hint, format string, args ...any) {
	l.found = append(l.found, status.Drift{Kind: kind, Name: name, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// report adds the entries of a report.
func (l *list) report(kind string, r report.Report) {
	for _, e := range r.Entries {
		l.add(kind, strings.Trim(e.Where+" "+e.Path, " "), e.Hint, "%s", e.Message)
	}
}

// sorted returns what was found in a stable order.
func (l *list) sorted() []status.Drift {
	slices.SortStableFunc(l.found, func(a, b status.Drift) int {
		return strings.Compare(a.Kind+"\x00"+a.Name, b.Kind+"\x00"+b.Name)
	})
	return l.found
}
