package agents

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// newFleet is a fleet of two enabled agents and a disabled one in a folder that stands for the host's root.
func newFleet(t *testing.T) *Fleet {
	t.Helper()
	l := profile.Layout{Project: "demo", Root: t.TempDir()}
	f := &Fleet{Profile: profile.New(l, system.Real{}), Number: 7, fx: system.Real{}}
	f.Manifest = &manifest.Manifest{Project: "demo"}
	for _, key := range []string{"lead", "old", "worker"} {
		f.Manifest.Agents = append(f.Manifest.Agents, manifest.Agent{
			Key: key, User: "demo-" + key,
			Unit: "fleet-demo-" + key + ".service", Enabled: key != "old",
		})
		f.Manifest.Users = append(f.Manifest.Users, manifest.User{Name: "demo-" + key, UID: os.Getuid(), Agent: key})
	}
	f.Manifest.Units = []manifest.Unit{
		{Name: "fleet-demo-lead.service", Agent: "lead"},
		{Name: "fleet-demo-lead-job-nightly.timer", Agent: "lead"},
		{Name: "fleet-demo-lead-job-nightly.service", Agent: "lead"},
		{Name: "fleet-demo-lead-attach@.service", Agent: "lead"},
	}
	for _, dir := range []string{f.queueDir("lead"), f.AgentOwn("lead"), f.Records("lead")} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPick(t *testing.T) {
	f := newFleet(t)
	for name, c := range map[string]struct {
		keys, want []string
		unknown    bool
		refused    bool
	}{
		"all that are enabled":   {want: []string{"lead", "worker"}},
		"in the order asked for": {keys: []string{"worker", "lead"}, want: []string{"worker", "lead"}},
		"each once":              {keys: []string{"lead", "lead"}, want: []string{"lead"}},
		"unknown":                {keys: []string{"lead", "leda"}, unknown: true},
		"disabled":               {keys: []string{"lead", "old"}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			picked, err := f.Pick(c.keys)
			var unknown *Unknown
			var refused *report.Err
			if errors.As(err, &unknown) != c.unknown || errors.As(err, &refused) != c.refused {
				t.Fatalf("got error %v", err)
			}
			if err != nil {
				return
			}
			var got []string
			for _, a := range picked {
				got = append(got, a.Key)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUnknownListsKeys(t *testing.T) {
	_, err := newFleet(t).Agent("leda")
	if want := "no agent \"leda\" in the live generation\n  hint: there are: lead, old, worker"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestNothingLive(t *testing.T) {
	_, err := Live(profile.Layout{Project: "demo", Root: t.TempDir()}, system.Real{})
	var refused *report.Err
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestJobServices(t *testing.T) {
	if d := cmp.Diff([]string{"fleet-demo-lead-job-nightly.service"}, newFleet(t).jobServices("lead")); d != "" {
		t.Error(d)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	slices.Sort(out)
	return out
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(path...), []byte(text), 0o644))
}
