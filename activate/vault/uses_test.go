package vault

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/unitfile"
	"fleet/schemas/fleet"
	"fleet/schemas/manifest"
)

func unit(user, agent string, loads ...string) *fstest.MapFile {
	text := "[Unit]\nX-Fleet-Agent=" + agent + "\n[Service]\nUser=" + user + "\n"
	for _, l := range loads {
		text += "LoadCredentialEncrypted=" + l + "\n"
	}
	return &fstest.MapFile{Data: []byte(text)}
}

func TestUses(t *testing.T) {
	const at = ":/var/lib/fleet/demo/secrets/"
	set, err := unitfile.Load(fstest.MapFS{
		"fleet-demo-a-gate.service": unit("demo-a-gate", "a", "A"+at+"A", "A.previous"+at+"A.previous"),
		"fleet-demo-b-gate.service": unit("demo-b-gate", "b", "A"+at+"A", "B"+at+"B"),
		"fleet-demo-a.service":      unit("demo-a", "a", "KEY"+at+"C"),
		"fleet-demo-tool@.service":  unit("demo-tool", "", "B"+at+"B"),
		"fleet-demo-other.service":  unit("root", "", "A:/var/lib/fleet/web/secrets/A", "B:/etc/B", "x"+at+"../x", "E"),
		"fleet-demo-none.service":   unit("demo-a", "a", "A"+at+"A", ""),
	})
	check(t, err)
	m := &manifest.Manifest{
		Project: "demo",
		Users: []manifest.User{
			{Name: "demo-a"}, {Name: "demo-a-gate", Gate: true}, {Name: "demo-b-gate", Gate: true}, {Name: "demo-tool"},
		},
		Agents: []manifest.Agent{{Key: "a", User: "demo-a"}, {Key: "b", User: "demo-b"}},
	}
	uses := Uses(set, m)
	want := []Use{
		{"A", "fleet-demo-a-gate.service", "a", Broker},
		{"A", "fleet-demo-b-gate.service", "b", Broker},
		{"B", "fleet-demo-b-gate.service", "b", Broker},
		{"B", "fleet-demo-tool@.service", "", Sidecar},
		{"C", "fleet-demo-a.service", "a", Expose},
	}
	if diff := cmp.Diff(want, uses); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"A", "B", "C"}, Secrets(uses)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[2:], Of(uses, "C", "B")); diff != "" {
		t.Error(diff)
	}
}

// What the units of a real generation load is what its manifest says of each secret.
func TestUsesOfGolden(t *testing.T) {
	for _, name := range []string{"secure", "everything"} {
		dir := filepath.Join("..", "..", "golden", name, "tree")
		m, err := manifest.Read(dir)
		check(t, err)
		set, err := unitfile.Load(os.DirFS(dir + "/units"))
		check(t, err)
		want, got := map[string]string{}, map[string]string{}
		for _, s := range m.Secrets {
			if s.Disposition != fleet.Absent {
				want[s.Name] = s.Disposition
			}
		}
		for _, u := range Uses(set, m) {
			if before := got[u.Secret]; before != "" && before != u.Disposition {
				t.Errorf("%s: %s is of %s and of %s", name, u.Secret, before, u.Disposition)
			}
			got[u.Secret] = u.Disposition
		}
		if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"ANTHROPIC_API_KEY", "GITHUB_TOKEN", "GITLAB_TOKEN", "NPM"}
	for name, want := range map[string]string{
		"GITHUB_TOKN": "GITHUB_TOKEN", "github_token": "GITHUB_TOKEN", "ANTROPIC_APIKEY": "ANTHROPIC_API_KEY",
		"NPN": "NPM", "AWS_SECRET": "", "": "", "X": "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// distance is what the plain definition says.
func FuzzDistance(f *testing.F) {
	f.Add("kitten", "sitting")
	f.Add("", "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = a[:min(len(a), 6)], b[:min(len(b), 6)]
		if got, want := distance(a, b), slow(a, b); got != want {
			t.Errorf("%q, %q: %d, want %d", a, b, got, want)
		}
	})
}

func slow(a, b string) int {
	switch {
	case a == "":
		return len(b)
	case b == "":
		return len(a)
	case a[0] == b[0]:
		return slow(a[1:], b[1:])
	}
	return 1 + min(slow(a[1:], b), slow(a, b[1:]), slow(a[1:], b[1:]))
}
