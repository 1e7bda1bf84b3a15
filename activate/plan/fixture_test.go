package plan

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"fleet/activate/unitfile"
)

// fixture is one case of testdata: the fleet of testdata/base, what is edited in its old and new generation, what the
// host shows besides, and the plan that must come out.
//
//	-- edit --           OLD|NEW|BOTH FILE s|A|B|   or  FILE + TEXT  or  FILE -
//	-- new/FILE --       a whole file; old/ and both/ likewise
//	-- live --           UNIT KEY=VALUE...: what differs from a freshly booted host with the old generation
//	-- running/UNIT --   what the unit was started from, where that is not the old generation's
//	-- dropin/UNIT --    a drop-in of the administrator's
//	-- options --        first, now, revert, stopped KEY, atonce KEY REASON, ran UNIT
type fixture struct {
	path     string
	title    string
	old, new map[string]string
	live     []string
	running  map[string]string
	dropIns  map[string]string
	options  []string
	plan     string
	archive  *txtar.Archive
}

func loadFixture(t *testing.T, path string) *fixture {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	base := baseFiles(t)
	f := &fixture{
		path: path, title: strings.TrimSpace(string(a.Comment)), old: maps.Clone(base), new: maps.Clone(base),
		running: map[string]string{}, dropIns: map[string]string{}, archive: a,
	}
	for _, edits := range []bool{false, true} { // whole files first
		for _, file := range a.Files {
			if (file.Name == "edit") == edits {
				f.section(t, file.Name, string(file.Data))
			}
		}
	}
	return f
}

func (f *fixture) section(t *testing.T, name, text string) {
	t.Helper()
	where, file, _ := strings.Cut(name, "/")
	switch where {
	case "edit":
		for _, line := range lines(text) {
			f.edit(t, line)
		}
	case "old", "new", "both":
		for _, files := range f.sides(where) {
			files[file] = text
		}
	case "live":
		f.live = lines(text)
	case "running":
		f.running[file] = text
	case "dropin":
		f.dropIns[file] = text
	case "options":
		f.options = lines(text)
	case "plan":
		f.plan = text
	default:
		t.Fatalf("%s: section %q is none of a fixture's", f.path, name)
	}
}

func (f *fixture) sides(where string) []map[string]string {
	return map[string][]map[string]string{"old": {f.old}, "new": {f.new}, "both": {f.old, f.new}}[where]
}

func (f *fixture) edit(t *testing.T, line string) {
	t.Helper()
	where, rest, _ := strings.Cut(line, " ")
	file, what, _ := strings.Cut(rest, " ")
	for _, files := range f.sides(where) {
		text, found := files[file]
		switch {
		case !found:
			t.Fatalf("%s: %q edits a file that is not there", f.path, line)
		case what == "-":
			delete(files, file)
		case strings.HasPrefix(what, "+ "):
			files[file] = text + strings.ReplaceAll(what[2:], `\n`, "\n") + "\n"
		default:
			part := strings.Split(what, "|")
			if len(part) != 4 || !strings.Contains(text, part[1]) {
				t.Fatalf("%s: %q changes nothing", f.path, line)
			}
			files[file] = strings.ReplaceAll(text, part[1], part[2])
		}
	}
}

func baseFiles(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("testdata/base", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, "testdata/base/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func loadSet(t testing.TB, files map[string]string) *unitfile.Set {
	t.Helper()
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := unitfile.Load(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// input makes the plan's input: a host freshly booted with the old generation, then changed as the fixture says.
func (f *fixture) input(t *testing.T) Input {
	t.Helper()
	in := Input{
		Old: loadSet(t, f.old), New: loadSet(t, f.new), Anchor: "fleet-d-anchor.service", Target: "fleet-d.target",
		Stopped: map[string]bool{}, AtOnce: map[string]string{},
	}
	in.Live = bootSim(in.Old, in.Target).live()
	for _, option := range f.options {
		word := strings.SplitN(option, " ", 3)
		switch word[0] {
		case "first":
			in.Old, in.Live = nil, map[string]Live{}
		case "now":
			in.Now = true
		case "revert":
			in.Revert = true
		case "stopped":
			in.Stopped[word[1]] = true
		case "atonce":
			in.AtOnce[word[1]] = word[2]
		case "ran":
			if in.Ran == nil {
				in.Ran = map[string]bool{}
			}
			in.Ran[word[1]] = true
		default:
			t.Fatalf("%s: option %q is none", f.path, option)
		}
	}
	for _, line := range f.live {
		word := strings.Fields(line)
		l := in.Live[word[0]]
		for _, assignment := range word[1:] {
			key, value, _ := strings.Cut(assignment, "=")
			if err := setLive(&l, key, value); err != nil {
				t.Fatalf("%s: %v", f.path, err)
			}
		}
		in.Live[word[0]] = l
	}
	for name, text := range f.running {
		l := in.Live[name]
		l.Running = parse(t, text)
		in.Live[name] = l
	}
	for name, text := range f.dropIns {
		l := in.Live[name]
		l.DropIns = append(l.DropIns, DropIn{Path: "/etc/systemd/system/" + name + ".d/own.conf", Unit: parse(t, text)},
			DropIn{Path: "/usr/lib/systemd/system/" + kind(name) + ".d/10-all.conf", Unit: unitfile.Unit{}})
		in.Live[name] = l
	}
	return in
}

func setLive(l *Live, key, value string) error {
	switch key {
	case "load":
		l.LoadState = value
	case "active":
		l.ActiveState = value
	case "sub":
		l.SubState = value
	case "result":
		l.Result = value
	case "fragment":
		l.Fragment = value
	case "job":
		l.Job = value
	case "reload":
		l.NeedReload = value == "yes"
	case "ran":
		l.Ran = value == "yes"
	case "unknown":
		l.Unknown = value == "yes"
	default:
		return fmt.Errorf("key %q is none of a unit's", key)
	}
	return nil
}

func parse(t testing.TB, text string) unitfile.Unit {
	t.Helper()
	u, err := unitfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return u
}
