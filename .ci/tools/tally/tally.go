package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one of test2json's, see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string
	Elapsed                                                float64
}

// name identifies a test; Test is empty for a package as a whole.
type name struct{ pkg, test string }

func (n name) String() string { return n.pkg + " " + n.test }

type tally struct {
	allowed map[name]bool // skips
	out     io.Writer

	output  map[name][]string // of what runs, by test; of builds, by import path
	status  map[name]string   // "run", "pass", "fail", "skip"
	lost    []string          // packages that failed without a failed test
	failed  int
	results []string
}

func newTally(allowed map[name]bool, out io.Writer) *tally {
	return &tally{allowed: allowed, out: out, output: map[name][]string{}, status: map[name]string{}}
}

// readSkips reads lines of a package, a test and the reason; # begins a comment.
func readSkips(path string) (map[name]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	allowed := map[name]bool{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case len(f) < 3:
			return nil, fmt.Errorf("%s: %q must be a package, a test and the reason", path, strings.TrimSpace(line))
		default:
			allowed[name{f[0], f[1]}] = true
		}
	}
	return allowed, nil
}

func (t *tally) read(r io.Reader) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20) // a test may write a long line
	for s.Scan() {
		var e event
		if json.Unmarshal(s.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(t.out, s.Text()) // what the go command says besides
			continue
		}
		t.add(e)
	}
	return s.Err()
}

func (t *tally) add(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "output":
		t.output[n] = append(t.output[n], e.Output)
	case "build-output":
		n = name{e.ImportPath, ""}
		t.output[n] = append(t.output[n], e.Output)
	case "run":
		t.status[n] = "run"
	case "pass", "fail", "skip":
		t.end(n, e)
	}
}

// end takes the end of a test or a package.
func (t *tally) end(n name, e event) {
	if n.test == "" {
		t.endPackage(e)
		return
	}
	t.status[n] = e.Action
	if e.Action == "fail" || e.Action == "skip" && !t.allowed[n] {
		t.show(e.Action, n)
	}
	delete(t.output, n)
}

func (t *tally) endPackage(e event) {
	n := name{e.Package, ""}
	if e.Action != "skip" { // that is a package without tests
		fmt.Fprintf(t.out, "%-4s %s %.1f s\n", map[string]string{"pass": "ok", "fail": "FAIL"}[e.Action], e.Package, e.Elapsed)
	}
	if e.Action == "fail" && !t.blamed(e.Package) {
		t.lost = append(t.lost, e.Package)
		if e.FailedBuild != "" {
			t.show("build", name{e.FailedBuild, ""})
		}
		t.show("fail", n)
	}
	delete(t.output, n)
}

// blamed reports whether a test of the package failed by itself, so that the package's failure says nothing more.
func (t *tally) blamed(pkg string) bool {
	for n, s := range t.status {
		if n.pkg == pkg && s == "fail" {
			return true
		}
	}
	return false
}

func (t *tally) show(what string, n name) {
	fmt.Fprintf(t.out, "--- %s: %s\n", what, strings.TrimSpace(n.String()))
	for _, line := range t.output[n] {
		fmt.Fprint(t.out, "    ", line)
	}
}

// finish returns the lines of the results, sorted, and counts what failed.
func (t *tally) finish() []string {
	add := func(status string, n name) {
		if status == "fail" {
			t.failed++
		}
		t.results = append(t.results, status+" "+n.String())
	}
	for n, s := range t.status {
		switch {
		case s == "pass", s == "skip" && t.allowed[n]:
			add(s, n)
		case s == "run": // its process ended first
			t.show("unfinished", n)
			add("fail", n)
		default:
			add("fail", n)
		}
	}
	for _, pkg := range t.lost {
		add("fail", name{pkg, "(package)"})
	}
	if len(t.results) == 0 {
		fmt.Fprintln(t.out, "no test ran")
		add("fail", name{"(all)", "(none)"})
	}
	slices.Sort(t.results)
	return t.results
}
