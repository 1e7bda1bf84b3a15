package report

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestString(t *testing.T) {
	var r Report
	r.ErrorHint("agents.a.iteration", `"5 minutes" is not a duration`, `write "5m"`)
	r.ErrorHint("agents.b.iteration", `"x" is not a duration`, `write "5m"`)
	r.Errorf("project", "%q must not hold \x1b[31m", "a\nb")
	r.Warn("agents.a.sudo", "is wide", "name exact arguments")
	var all Report
	all.Merge("fleet.jsonnet", r)
	want := `fleet.jsonnet: agents.a.iteration: "5 minutes" is not a duration
fleet.jsonnet: agents.b.iteration: "x" is not a duration
  hint: write "5m"
fleet.jsonnet: project: "a\nb" must not hold \x1b[31m
fleet.jsonnet: agents.a.sudo: warning: is wide
  hint: name exact arguments`
	if diff := cmp.Diff(want, all.String()); diff != "" {
		t.Error(diff)
	}
}

func TestErr(t *testing.T) {
	var r Report
	r.Warn("a", "is odd", "")
	if r.Failed() || r.Err() != nil {
		t.Error("a warning refuses the input")
	}
	r.Errorf("b", "is wrong")
	var refusal *Err
	if !errors.As(r.Err(), &refusal) || len(refusal.Report.Entries) != 2 {
		t.Errorf("error %v", r.Err())
	}
}

func TestSort(t *testing.T) {
	r := Report{Entries: []Entry{{Path: "b", Message: "x"}, {Path: "a", Message: "y"}, {Path: "a", Message: "x"}}}
	r.Sort()
	if r.Entries[0].Message != "x" || r.Entries[0].Path != "a" || r.Entries[2].Path != "b" {
		t.Errorf("%+v", r.Entries)
	}
}
