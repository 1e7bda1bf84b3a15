//go:build machine

package units

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// unitCase is one row of what a switch does to units, a file of testdata. Its first line says what it proves.
//
//	-- old/FILE --    a unit of the generation before; new/ and both/ likewise. Units are wanted by the target
//	-- idle --        units that nothing starts, one a line
//	-- before --      shell, run between the two switches
//	-- want --        UNIT ACTION EFFECT [TEXT]: what the plan says ("-" for nothing, TEXT is part of its reason), and
//	                  what systemd shows: see move.effect, and "reloaded" for a unit that is otherwise untouched
//	-- drift --       UNIT KIND: drift that the plan reports
//	-- check --       shell, run after the switch
//
// All cases share one machine and one switch, so units of two cases must not have the same name. %u stands for the
// project's prefix of units, %sleep for the section of a service that sleeps. A unit with ExecReload=%r is seen to
// reload.
type unitCase struct {
	name, title string
	old, new    map[string]string
	idle        []string
	before      string
	want        []string
	drift       []string
	check       string
}

const prefix = "fleet-" + e2e.Project

// reloaded is where units note that they were reloaded.
const reloaded = "/run/reloaded"

var words = strings.NewReplacer("%u", prefix, "%sleep", "[Service]\nExecStart=/bin/sleep infinity", "%r", "/bin/sh -c 'echo >>"+reloaded+"/%n'")

func loadCases(t testing.TB) []*unitCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases", err)
	}
	var out []*unitCase
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		c := &unitCase{
			name: strings.TrimSuffix(filepath.Base(p), ".txtar"), title: strings.TrimSpace(string(a.Comment)),
			old: map[string]string{}, new: map[string]string{},
		}
		for _, f := range a.Files {
			c.section(t, f.Name, words.Replace(string(f.Data)))
		}
		out = append(out, c)
	}
	return out
}

func (c *unitCase) section(t testing.TB, name, text string) {
	t.Helper()
	where, file, _ := strings.Cut(words.Replace(name), "/")
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	switch where {
	case "old":
		c.old[file] = text
	case "new":
		c.new[file] = text
	case "both":
		c.old[file], c.new[file] = text, text
	case "idle":
		c.idle = lines
	case "before":
		c.before = text
	case "want":
		c.want = lines
	case "drift":
		c.drift = lines
	case "check":
		c.check = text
	default:
		t.Fatalf("%s: section %q is none of a case's", c.name, name)
	}
}

// sealCases makes a generation of one side of all cases.
func sealCases(t testing.TB, h *e2e.Host, cases []*unitCase, side func(*unitCase) map[string]string) string {
	t.Helper()
	return h.Seal(func(tree *artifact.Tree, _ *manifest.Manifest) {
		for _, c := range cases {
			for name, text := range side(c) {
				if err := c.add(tree, name, text); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
		}
	})
}

func (c *unitCase) add(tree *artifact.Tree, name, text string) error {
	if dir := path.Dir(name); strings.HasSuffix(dir, ".wants") {
		return tree.Add(artifact.Link(artifact.Path("units/"+name), "../"+strings.TrimSpace(text)))
	} else if dir != "." {
		return tree.Add(artifact.Text(artifact.Path("units/"+name), text))
	}
	return e2e.Unit(tree, name, text, !slices.Contains(c.idle, name) && !strings.Contains(name, "@."))
}

// judge compares the case with what the switch said and did.
func (c *unitCase) judge(t *testing.T, h *e2e.Host, m move) {
	for _, line := range c.want {
		f := strings.SplitN(line, " ", 4)
		if len(f) < 3 {
			t.Fatalf("want %q must have a unit, an action and an effect", line)
		}
		unit, action, effect := f[0], f[1], f[2]
		count := h.Sh(fmt.Sprintf("cat '%s/%s' 2>/dev/null | wc -l", reloaded, unit))
		switch {
		case effect == "reloaded" && count != "1":
			t.Errorf("%s was reloaded %s times", unit, count)
		case effect != "reloaded" && count != "0":
			t.Errorf("%s was reloaded", unit)
		}
		m.want(t, unit, action, strings.Replace(effect, "reloaded", "untouched", 1))
		if len(f) > 3 && !strings.Contains(m.plan.step(unit).Because, f[3]) {
			t.Errorf("%s: the plan's reason is %q, want %q in it", unit, m.plan.step(unit).Because, f[3])
		}
	}
	for _, line := range c.drift {
		unit, kind, _ := strings.Cut(line, " ")
		if got := m.plan.drifted(unit); !slices.Contains(got, kind) {
			t.Errorf("%s: the plan reports drift %v, want %s", unit, got, kind)
		}
	}
	if c.check != "" {
		if out, exit := h.Try("sh", "-euxc", c.check); exit != 0 {
			t.Errorf("check: exit status %d\n%s", exit, out)
		}
	}
}

// units returns every unit that a line of want names.
func (c *unitCase) units() []string {
	var out []string
	for _, line := range c.want {
		unit, _, _ := strings.Cut(line, " ")
		out = append(out, unit)
	}
	return out
}
