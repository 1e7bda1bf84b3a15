package spec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example and the golden cases are good specs, also with the harness that needs no account.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../golden/*/spec.jsonnet")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden specs: %v", len(files), err)
	}
	for _, file := range append(files, "../../fleet.jsonnet") {
		if _, err := Load(context.Background(), Options{File: file}); err != nil {
			t.Errorf("%s:\n%v", file, err)
		}
	}
	o := Options{File: "../../fleet.jsonnet", TLAStr: map[string]string{"harness": "demo"}}
	r, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Report.Entries) > 0 || r.Fleet.Agents["lead"].Harness != "demo" {
		t.Errorf("harness %q, report %s", r.Fleet.Agents["lead"].Harness, r.Report.String())
	}
}

// fleet try runs every agent on one harness, whatever the spec says.
func TestHarnessForAll(t *testing.T) {
	for _, name := range []string{"everything", "harnesses", "providers"} {
		r, err := Load(context.Background(), Options{File: "../../golden/" + name + "/spec.jsonnet", Harness: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		for key, a := range r.Fleet.Agents {
			if a.Harness != "demo" || a.Provider != "" || a.Login {
				t.Errorf("%s of %s runs %s at %q", key, name, a.Harness, a.Provider)
			}
		}
	}
	if _, err := Load(context.Background(), Options{File: "../../fleet.jsonnet", Harness: "dmeo"}); err == nil ||
		!strings.Contains(err.Error(), `did you mean "demo"?`) {
		t.Errorf("error %v", err)
	}
}

// What a spec evaluates to, and its digests, do not depend on the folder or on how it is named.
func TestPlaceChangesNothing(t *testing.T) {
	text := []byte(`{ project: 'demo', description: std.thisFile, agents: { a: { harness: 'demo' } } }`)
	var results []*Result
	for _, sub := range []string{"one", "two/three"} {
		dir := filepath.Join(t.TempDir(), sub)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{Dir: dir, File: "fleet.jsonnet"}, {File: filepath.Join(dir, "fleet.jsonnet")}} {
			r, err := Load(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, r)
		}
	}
	for _, r := range results[1:] {
		if diff := cmp.Diff(results[0], r); diff != "" {
			t.Error(diff)
		}
	}
}

// Messages name a file as the person did.
func TestPlacesAreShownAsGiven(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sub/fleet.jsonnet":   "(import 'x.libsonnet') + {}",
		"sub/lib/x.libsonnet": "{ a: b }",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(context.Background(), Options{Dir: dir, File: "sub/fleet.jsonnet", JPath: []string{
		"sub/lib",
		"sub/none",
	}})
	if err == nil || !strings.HasPrefix(err.Error(), "sub/lib/x.libsonnet:1:6: unknown variable: b") {
		t.Errorf("error %v", err)
	}
	_, err = Load(context.Background(), Options{Dir: dir, File: "sub/gone.jsonnet"})
	if err == nil || !strings.HasPrefix(err.Error(), "sub/gone.jsonnet: does not exist") {
		t.Errorf("error %v", err)
	}
	_, err = Load(context.Background(), Options{Dir: dir, File: "gone/fleet.jsonnet"})
	if err == nil || !strings.Contains(err.Error(), "gone/fleet.jsonnet: its folder does not exist") {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, Options{File: "../../fleet.jsonnet"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestExplain(t *testing.T) {
	for name, want := range map[string]string{
		"iteration":                         "agents.KEY.iteration",
		"agents.worker.iteration":           "agents.KEY.iteration",
		"limits.memory":                     "agents.KEY.limits.memory",
		"project":                           "project",
		"agents.x.mounts[0].source":         "agents.KEY.mounts[].source",
		"mounts.source":                     "agents.KEY.mounts[].source",
		"defaults.limits.memory":            "agents.KEY.limits.memory",
		"timeout":                           "agents.KEY.hooks.after.timeout",
		"agents.lead.hooks.before.timeout":  "agents.KEY.hooks.before.timeout",
		"harnesses.claude-code.interactive": "harnesses.KEY.interactive",
	} {
		found, near := Explain(name)
		if len(found) == 0 || found[0].Path != want || near != nil {
			t.Errorf("%s: %v %v, want %s", name, found, near, want)
		}
	}
	if found, near := Explain("iteratoin"); len(found) > 0 || !cmp.Equal(near, []string{"iteration"}) {
		t.Errorf("iteratoin: %v %v", found, near)
	}
	found, _ := Explain("agents.KEY.effort")
	want := Key{
		Path: "agents.KEY.effort", Type: `one of "low", "medium", "high", "xhigh", "max"`,
		Values: []any{"low", "medium", "high", "xhigh", "max"}, Examples: []any{"high"},
		Description: "How hard the model thinks, where the harness can set it. The harness's own choice if not set.",
	}
	if diff := cmp.Diff([]Key{want}, found); diff != "" {
		t.Error(diff)
	}
	for _, k := range Keys() {
		found, _ := Explain(k)
		if len(found) == 0 || found[0].Path != k || found[0].Type == "" {
			t.Errorf("%s is explained as %+v", k, found)
		}
	}
}

func TestFormat(t *testing.T) {
	got, err := Format("fleet.jsonnet", "{a:1,b:\"x\"}  // end\n")
	if err != nil || got != "{ a: 1, b: 'x' }  // end\n" {
		t.Errorf("%q %v", got, err)
	}
	for file, want := range map[string]string{
		"fleet.yaml":    "fleet.yaml: is not Jsonnet",
		"fleet.jsonnet": "fleet.jsonnet:1:2",
	} {
		if _, err := Format(file, "{"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	for _, file := range []string{"../../fleet.jsonnet", "../../lib/fleet.libsonnet"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Format(file, string(b)); err != nil || got != string(b) {
			t.Errorf("%s is not formatted: %v\n%s", file, err, cmp.Diff(string(b), got))
		}
	}
}
