package spec

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"fleet/schemas/report"
)

var update = flag.Bool("update", false, "write what was found into the cases")

// Each case is a folder with a spec. It holds what must come of it: report (errors and warnings; without it there must
// be none), want.json (parts of the agents), digests (the files that were read). The comment says what it proves.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) < 40 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCase(t, file) })
	}
}

func runCase(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, want, name := unpack(t, archive)
	o := Options{Dir: dir, File: name}
	flags(t, &o, want["flags"])
	got := map[string]string{}
	r, err := Load(context.Background(), o)
	var refused *report.Err
	switch {
	case errors.As(err, &refused):
		got["report"] = refused.Report.String() + "\n"
	case err != nil:
		t.Fatalf("not a report: %v", err)
	default:
		if text := r.Report.String(); text != "" {
			got["report"] = text + "\n"
		}
		got["digests"] = strings.Join(slices.Sorted(maps.Keys(r.Digests)), "\n") + "\n"
		got["want.json"] = parts(t, r)
	}
	for _, key := range []string{"report", "want.json", "digests"} {
		_, wanted := want[key]
		if !wanted && key != "report" {
			continue
		}
		if *update && wanted {
			put(archive, key, got[key])
		} else if diff := cmp.Diff(want[key], got[key]); diff != "" {
			t.Errorf("%s:\n%s\n%s", key, diff, got[key])
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// unpack writes the case's folder and returns what is expected and the spec's name, which is the first file's.
func unpack(t *testing.T, a *txtar.Archive) (dir string, want map[string]string, name string) {
	t.Helper()
	dir, want = filepath.Join(t.TempDir(), "spec"), map[string]string{}
	for _, f := range a.Files {
		if slices.Contains([]string{"report", "want.json", "digests", "flags", "links"}, f.Name) {
			want[f.Name] = string(f.Data)
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(want["links"]) {
		words := strings.Fields(line)
		if err := os.Symlink(words[1], filepath.Join(dir, words[0])); err != nil {
			t.Fatal(err)
		}
	}
	return dir, want, a.Files[0].Name
}

func flags(t *testing.T, o *Options, line string) {
	t.Helper()
	o.TLAStr, o.ExtStr = map[string]string{}, map[string]string{}
	words := strings.Fields(line)
	for i := 0; i+1 < len(words); i += 2 {
		key, value, _ := strings.Cut(words[i+1], "=")
		switch words[i] {
		case "-f":
			o.File = words[i+1]
		case "-J":
			o.JPath = append(o.JPath, words[i+1])
		case "--tla-str":
			o.TLAStr[key] = value
		case "--ext-str":
			o.ExtStr[key] = value
		default:
			t.Fatalf("flag %s", words[i])
		}
	}
}

// parts shows what the merge of defaults gave.
func parts(t *testing.T, r *Result) string {
	t.Helper()
	out := map[string]any{}
	for key, a := range r.Fleet.Agents {
		schedules := map[string]any{}
		for name, s := range a.Schedules {
			schedules[name] = s
		}
		out[key] = map[string]any{
			"env": a.Env, "instructions": a.Instructions, "memory": a.Limits.Memory, "tasks": a.Limits.Tasks,
			"schedules": schedules,
		}
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func put(a *txtar.Archive, name, data string) {
	for i, f := range a.Files {
		if f.Name == name {
			a.Files[i].Data = []byte(data)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(data)})
}
