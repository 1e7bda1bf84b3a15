package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/report"
)

// place is where something stands in a spec: keys, and indexes of lists in the form "[3]".
type place []string

// in returns the place below p.
func (p place) in(steps ...string) place { return slices.Concat(p, steps) }

// at returns the place of item i.
func (p place) at(i int) place { return p.in("[" + strconv.Itoa(i) + "]") }

var plainKey = regexp.MustCompile(`^(\$?[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]+\])$`)

// String writes p as Jsonnet would reach it: agents.worker.mounts[0].source. A key that would read like something else
// is quoted.
func (p place) String() string {
	var b strings.Builder
	for _, step := range p {
		switch {
		case !plainKey.MatchString(step):
			b.WriteString("[" + strconv.Quote(clip(step)) + "]")
		case step[0] == '[' || b.Len() == 0:
			b.WriteString(step)
		default:
			b.WriteString("." + step)
		}
	}
	return b.String()
}

// faults collects entries with their places.
type faults struct{ list []fault }

type fault struct {
	severity      report.Severity
	where         place
	message, hint string
}

func (f *faults) error(where place, message, hint string) {
	f.list = append(f.list, fault{report.Error, where, message, hint})
}

func (f *faults) warn(where place, message, hint string) {
	f.list = append(f.list, fault{report.Warning, where, message, hint})
}

// failedBelow says whether an error was found at p or inside it.
func (f *faults) failedBelow(p place) bool {
	return slices.ContainsFunc(f.list, func(x fault) bool {
		return x.severity == report.Error && len(x.where) >= len(p) && slices.Equal(x.where[:len(p)], p)
	})
}

// report returns what was found, sorted, each finding once.
func (f *faults) report(file string) report.Report {
	var r report.Report
	for _, x := range f.list {
		r.Add(report.Entry{Severity: x.severity, Where: file, Path: x.where.String(), Message: x.message, Hint: x.hint})
	}
	r.Sort()
	r.Entries = slices.Compact(r.Entries)
	return r
}

// blameDefaults moves what the key defaults caused from every agent to defaults itself, so that one slip there is one
// finding.
func (f *faults) blameDefaults(doc any) {
	root, _ := doc.(map[string]any)
	agents, _ := root["agents"].(map[string]any)
	for i, x := range f.list {
		if len(x.where) < 3 || x.where[0] != "agents" {
			continue
		}
		rest := x.where[2:]
		if !has(agents[x.where[1]], rest[:1]) && has(root["defaults"], rest[:1]) ||
			!has(agents[x.where[1]], rest) && has(root["defaults"], rest) {
			f.list[i].where = place{"defaults"}.in(rest...)
		}
	}
}

// has says whether doc has something at p.
func has(doc any, p place) bool {
	_, ok := get(doc, p)
	return ok
}

// get returns what doc has at p.
func get(doc any, p place) (any, bool) {
	for _, step := range p {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return nil, false
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(strings.Trim(step, "[]"))
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			doc = v[i]
		default:
			return nil, false
		}
	}
	return doc, true
}
