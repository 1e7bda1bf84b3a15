//go:build machine

package nft

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fleet/generate/artifact"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// nft reads every expected ruleset, and any text that the writer takes as a comment and nothing else.
func TestNftReads(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.nft")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		if out, err := exec.Command("nft", "-c", "-f", p).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	build := func(user string) *model.Fleet {
		return demoFleet(model.Agent{
			Key: "a", User: user, UID: 70001, Isolation: model.User,
			LocalPorts: &fleet.PortRange{From: 5000, To: 5010},
		})
	}
	want := listed(t, build("demo-a"))
	taken := 0
	for _, user := range []string{
		`"`, `" accept # "`, "} chain x { ", "; flush ruleset", "# #", "*/ /* //", "$(id) `id`", "é ü 漢", "include \"/etc/passwd\"",
		"define x = 1", "@agents", "", " ", "\t", "\\", "a\nb", "a\rb", "\x0b", "\u0085", "\u2028", "\xff",
	} {
		if Render(build(user), artifact.NewTree()) != nil {
			continue
		}
		taken++
		if diff := cmp.Diff(want, listed(t, build(user))); diff != "" {
			t.Errorf("%q: -want +got\n%s", user, diff)
		}
	}
	if taken < 10 {
		t.Errorf("only %d texts are taken", taken)
	}
}

// listed loads a ruleset and returns what nft lists, without handles.
func listed(t *testing.T, m *model.Fleet) any {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo.nft")
	if err := os.WriteFile(path, []byte(mustText(t, m)), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := sh("nft -f " + path); err != nil {
		t.Fatal(err)
	}
	defer sh("nft delete table inet fleet_demo")
	out, err := exec.Command("nft", "-j", "list", "ruleset").Output()
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	return withoutHandles(v)
}

func withoutHandles(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "handle")
		for k, x := range v {
			v[k] = withoutHandles(x)
		}
	case []any:
		for i, x := range v {
			v[i] = withoutHandles(x)
		}
	}
	return v
}
