package spec

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// equateEmpty takes nil and empty maps and lists for the same, as JSON does.
var equateEmpty = cmp.FilterValues(func(x, y any) bool { return isEmpty(x) && isEmpty(y) }, cmp.Ignore())

func isEmpty(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case map[string]string:
		return len(v) == 0
	case map[string][]string:
		return len(v) == 0
	case map[string]fleet.Hook:
		return len(v) == 0
	case map[string]fleet.Schedule:
		return len(v) == 0
	case []string:
		return len(v) == 0
	}
	return false
}

// FuzzCheck proves that no evaluated spec makes the checks panic; that an accepted one can be resolved; that it is
// accepted again, and is the same, when it is written out with all its defaults; and that none of its texts holds a
// character that could end a line or steer a terminal.
func FuzzCheck(f *testing.F) {
	seeds(f)
	builtin, err := loadBuiltin()
	if err != nil {
		f.Fatal(err)
	}
	tree, err := openSources(Options{Dir: f.TempDir(), File: "fleet.json"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) { holds(t, b, builtin, tree) })
}

func holds(t *testing.T, b []byte, builtin *builtin, tree *sources) {
	doc, err := decodeJSON(b)
	if err != nil {
		return
	}
	first, found := check(doc, builtin, tree)
	if r := found.report("x"); r.Failed() {
		return
	}
	withoutFiles(first)
	text, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	second, found := check(again, builtin, tree)
	if r := found.report("x"); r.Failed() {
		t.Fatalf("refused when written out:\n%s\n%s", r.String(), text)
	}
	if diff := cmp.Diff(first, second, equateEmpty); diff != "" {
		t.Fatal(diff)
	}
	resolves(t, first)
}

// withoutFiles takes away where texts came from: written out, a spec has the texts themselves.
func withoutFiles(f *fleet.Fleet) {
	for _, a := range f.Agents {
		for i := range a.Instructions {
			a.Instructions[i].File = ""
		}
		for name, h := range a.Hooks {
			h.File = ""
			a.Hooks[name] = h
		}
	}
}

func resolves(t *testing.T, f *fleet.Fleet) {
	uids := map[string]int{}
	for i, name := range model.Users(f) {
		uids[name] = f.UIDs.From + i
	}
	m, err := model.Resolve(f, uids)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range m.Agents {
		lines := []string{a.User, a.Name, a.Role, a.Git.Name, a.Git.Email, m.Description}
		for name, value := range a.Env {
			lines = append(lines, name, value)
		}
		for _, mount := range a.Mounts {
			lines = append(lines, mount.Source, mount.Target)
		}
		for _, s := range a.Schedules {
			lines = append(append(lines, s.Name), s.Calendar...)
		}
		for _, line := range append(lines, a.Sudo...) {
			if strings.ContainsFunc(line, unicode.IsControl) {
				t.Fatalf("%q was accepted", line)
			}
		}
		if strings.Contains(a.Prompt+a.Instructions, "\x00") {
			t.Fatal("a NUL was accepted")
		}
	}
}

// seeds adds what the specs of the cases and the golden fleets evaluate to.
func seeds(f *testing.F) {
	f.Add([]byte(`{"project":"demo","agents":{"a":{"iteration":{"day":"1m","night":"2m","from":"01:00","to":"02:00"},` +
		`"hooks":{"before":{"script":"x"}},"sudo":["/usr/bin/id"],"isolation":"user","localPorts":{"from":2000,"to":2001},` +
		`"systemd":{"Service":{"Nice":5}}}}}`))
	f.Add([]byte(`{"agents":[null,{"a":null}],"defaults":null,"project":1e400}`))
	f.Add([]byte(`{"project":"demo","agents":{"a":{"limits":{"tasks":1e999999999,"io":1e-999999999,` +
		`"cpuWeight":99999999999999999999999}}}}`))
	files, err := filepath.Glob("../../golden/*/spec.jsonnet")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "../../fleet.jsonnet") {
		addSeed(f, Options{File: file})
	}
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range cases {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		name := filepath.Join(f.TempDir(), a.Files[0].Name)
		if err := os.WriteFile(name, a.Files[0].Data, 0o644); err != nil {
			f.Fatal(err)
		}
		addSeed(f, Options{File: name})
	}
}

func addSeed(f *testing.F, o Options) {
	tree, err := openSources(o)
	if err != nil {
		f.Fatal(err)
	}
	defer tree.close()
	if text, _, err := read(f.Context(), tree, o); err == nil && len(text) < 1<<16 {
		f.Add(text)
	}
}

// FuzzYAML proves that no YAML text panics, and that what is read is what JSON could have said.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"a: 1\nb: [x, 'y']\n", "&a [*a]", "? [x]\n: y", "a: !!binary x",
		"- 0x1F\n- .inf\n- 1e3\n", "\"\\x00\": 1", "a: *b",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := parseYAML(b)
		if err != nil {
			return
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeJSON(text); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzValue puts a text or a number at any place of a good spec, which reaches the checks more often than mutating the
// spec's own bytes. The properties are those of FuzzCheck.
func FuzzValue(f *testing.F) {
	builtin, err := loadBuiltin()
	if err != nil {
		f.Fatal(err)
	}
	tree, err := openSources(Options{File: "../../golden/everything/spec.jsonnet"})
	if err != nil {
		f.Fatal(err)
	}
	text, _, err := read(f.Context(), tree, Options{File: "../../golden/everything/spec.jsonnet"})
	if err != nil {
		f.Fatal(err)
	}
	for i, s := range []string{
		"5m", "/srv/x", "/etc", "x\ny", "{{project}}", "Mon..Fri 10:00", "4G", "200%", "a b",
		"-1", "sk-ant-0123456789", "\u202e", "%n$(id)`", "*",
	} {
		f.Add(uint(i), s, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, where uint, value string, asKey bool) {
		doc, err := decodeJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		places := leaves(nil, doc)
		p := places[where%uint(len(places))]
		parent, _ := get(doc, p[:len(p)-1])
		m, ok := parent.(map[string]any)
		switch old := m[p[len(p)-1]]; {
		case !ok:
			return
		case asKey:
			delete(m, p[len(p)-1])
			m[value] = old
		case json.Valid([]byte(value)):
			m[p[len(p)-1]] = json.RawMessage(value)
		default:
			m[p[len(p)-1]] = value
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, b, builtin, tree)
	})
}

// leaves lists every place below p that is a key's.
func leaves(p place, doc any) []place {
	var out []place
	m, _ := doc.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, p.in(k))
		out = append(out, leaves(p.in(k), m[k])...)
	}
	list, _ := doc.([]any)
	for i, item := range list {
		out = append(out, leaves(p.at(i), item)...)
	}
	return out
}
