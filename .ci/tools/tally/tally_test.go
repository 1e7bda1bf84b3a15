package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	const run, pass = `{"Action":"run","Package":"p","Test":"TestA"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`
	tests := map[string]struct {
		events []string
		want   []string // results
		shown  string   // is in the output
	}{
		"pass": {
			[]string{run, pass, `{"Action":"pass","Package":"p","Elapsed":1.5}`},
			[]string{"pass p TestA"},
			"ok   p 1.5 s",
		},
		"fail": {
			[]string{
				run, `{"Action":"output","Package":"p","Test":"TestA","Output":"why\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`, `{"Action":"fail","Package":"p"}`,
			},
			[]string{"fail p TestA"},
			"--- fail: p TestA\n    why\n",
		},
		"skip": {
			[]string{run, `{"Action":"skip","Package":"p","Test":"TestA"}`, `{"Action":"pass","Package":"p"}`},
			[]string{"fail p TestA"},
			"--- skip: p TestA",
		},
		"allowed skip": {
			[]string{`{"Action":"run","Package":"p","Test":"TestMay"}`, `{"Action":"skip","Package":"p","Test":"TestMay"}`},
			[]string{"skip p TestMay"},
			"",
		},
		"unfinished": {
			[]string{run, `{"Action":"fail","Package":"p"}`},
			[]string{"fail p (package)", "fail p TestA"},
			"--- unfinished: p TestA",
		},
		"build": {
			[]string{
				`{"ImportPath":"p","Action":"build-output","Output":"p.go:1: no\n"}`, `{"ImportPath":"p","Action":"build-fail"}`,
				`{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			},
			[]string{"fail p (package)"},
			"    p.go:1: no\n",
		},
		"panic after the tests": {
			[]string{run, pass, `{"Action":"output","Package":"p","Output":"exit status 2\n"}`, `{"Action":"fail","Package":"p"}`},
			[]string{"fail p (package)", "pass p TestA"},
			"exit status 2",
		},
		"no tests":  {[]string{`{"Action":"skip","Package":"p"}`}, []string{"fail (all) (none)"}, "no test ran"},
		"not JSON":  {[]string{"go: cannot", run, pass}, []string{"pass p TestA"}, "go: cannot\n"},
		"sub-tests": {[]string{run, `{"Action":"pass","Package":"p","Test":"TestA/b"}`, pass}, []string{"pass p TestA", "pass p TestA/b"}, ""},
	}
	for what, c := range tests {
		t.Run(what, func(t *testing.T) {
			var out strings.Builder
			tl := newTally(map[name]bool{{"p", "TestMay"}: true}, &out)
			if err := tl.read(strings.NewReader(strings.Join(c.events, "\n"))); err != nil {
				t.Fatal(err)
			}
			got := tl.finish()
			if !slices.Equal(got, c.want) {
				t.Errorf("results %q, want %q", got, c.want)
			}
			if !strings.Contains(out.String(), c.shown) {
				t.Errorf("shown %q, want in it %q", out.String(), c.shown)
			}
			if failed := strings.Count(strings.Join(got, "\n"), "fail "); tl.failed != failed {
				t.Errorf("%d failed, want %d", tl.failed, failed)
			}
		})
	}
}

func TestReadSkips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "skips")
	for text, want := range map[string]bool{"": true, "# none\n\np TestA needs it # yes\n": true, "p TestA\n": false} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := readSkips(path)
		if (err == nil) != want || want && text != "" && !got[name{"p", "TestA"}] {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := readSkips(filepath.Join(t.TempDir(), "gone")); err == nil {
		t.Error("a file that is not there was read")
	}
}
