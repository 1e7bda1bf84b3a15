package unit

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// withValues puts the same texts at every free-text place of a spec that reaches a unit.
func withValues(a, b string) *model.Fleet {
	m := sample()
	for i := range m.Agents {
		agent := &m.Agents[i]
		agent.Name, agent.Role = a, b
		agent.Env = map[string]string{"A": a, "B": b}
		agent.Mounts = []fleet.Mount{{Source: "/srv/" + a, Target: "/mnt/" + b}}
		agent.Systemd.Service = map[string][]string{"LogNamespace": {a}, "Nice": {b}}
		for j := range agent.Schedules {
			if len(agent.Schedules[j].Calendar) > 0 {
				agent.Schedules[j].Calendar = []string{a, b}
			}
		}
	}
	return m
}

// keys are the directives of every unit in their order, without their values.
func keys(t testing.TB, files []artifact.File) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, f := range files {
		if !strings.HasPrefix(string(f.Path), "units/") || f.Link != "" {
			continue
		}
		got, err := readUnit(string(f.Data))
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		for _, g := range got {
			out[string(f.Path)] = append(out[string(f.Path)], g.Section+"."+g.Key)
		}
	}
	return out
}

// FuzzRender proves that no text of a spec adds a directive, a section, an argument or a file to the units of a fleet.
func FuzzRender(f *testing.F) {
	for i, v := range hostileValues {
		f.Add(v, hostileValues[(i*3+5)%len(hostileValues)])
	}
	tree := sampleTree(f, sample())
	plainFiles, err := artifacttest.Files(Render, withValues("a", "b"), tree)
	if err != nil {
		f.Fatal(err)
	}
	want := keys(f, plainFiles)
	f.Fuzz(func(t *testing.T, a, b string) {
		files, err := artifacttest.Files(Render, withValues(a, b), tree)
		if err != nil {
			return // refused
		}
		if diff := cmp.Diff(want, keys(t, files)); diff != "" {
			t.Errorf("directives (-plain values +these):\n%s", diff)
		}
		i := slices.IndexFunc(files, func(f artifact.File) bool { return f.Path == "units/fleet-demo-worker.service" })
		got, _ := readUnit(string(files[i].Data))
		for _, g := range got {
			if g.Key != "ExecStart" {
				continue
			}
			_, argv, err := commandLine(g.Value)
			want := []string{"/usr/bin/env", "A=" + a, "B=" + b}
			if err != nil || len(argv) != 4 || !slices.Equal(argv[:3], want) {
				t.Errorf("argv %q, %v; want %q and the runner", argv, err, want)
			}
		}
	})
}
