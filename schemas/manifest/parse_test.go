package manifest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/manifest"
)

func TestParseRoundTrip(t *testing.T) {
	want := newSealed().m
	b, err := manifest.Encode(want)
	must(t, err)
	got, err := manifest.Parse(b)
	must(t, err)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Each case changes a good manifest in one way and names what must be refused about it.
func TestParseRefuses(t *testing.T) {
	edit := map[string]func(*manifest.Manifest){
		`has version 2`:                     func(m *manifest.Manifest) { m.Version = 2 },
		`"../x" must be relative`:           func(m *manifest.Manifest) { m.Files[0].Path = "../x" },
		`"/etc/passwd" must be relative`:    func(m *manifest.Manifest) { m.Files[0].Path = "/etc/passwd" },
		`"a/../b" must be relative`:         func(m *manifest.Manifest) { m.Files[0].Path = "a/../b" },
		`"a\nb" must be of plain ASCII`:     func(m *manifest.Manifest) { m.Files[0].Path = "a\nb" },
		`"a\\b" must be of plain ASCII`:     func(m *manifest.Manifest) { m.Files[0].Path = `a\b` },
		`must have names of at most 255`:    func(m *manifest.Manifest) { m.Files[0].Path = strings.Repeat("a", 300) },
		`and 8 parts`:                       func(m *manifest.Manifest) { m.Files[0].Path = "a" + strings.Repeat("/a", 20) },
		`must be listed once`:               func(m *manifest.Manifest) { m.Files[0] = m.Files[1] },
		`must not list itself`:              func(m *manifest.Manifest) { m.Files[0].Path = manifest.FileName },
		`must not be both a file and a`:     func(m *manifest.Manifest) { m.Files[0].Path = "agents" },
		`mode "4755" of`:                    func(m *manifest.Manifest) { m.Files[0].Mode = "4755" },
		`mode of "sudoers.d/demo" must be`:  func(m *manifest.Manifest) { m.Files[4].Mode = "0444" },
		`must have no dot, tilde`:           func(m *manifest.Manifest) { m.Files[4].Path = "sudoers.d/x.y" },
		`"/etc/passwd" must be units/NAME`:  func(m *manifest.Manifest) { m.Files[2].Link = "/etc/passwd" },
		`must name a listed unit`:           func(m *manifest.Manifest) { m.Files[2].Link = "../ssh.service" },
		`store name "x" of`:                 func(m *manifest.Manifest) { m.Files[3].Store = "x" },
		`must be 64 hex digits`:             func(m *manifest.Manifest) { m.Files[3].SHA256 = "" },
		`size of "agents/lead/run" must be`: func(m *manifest.Manifest) { m.Files[3].Size = 1 << 60 },
		`must have no control characters`:   func(m *manifest.Manifest) { m.Agents[0].Name = "a\x1b[2J" },
		`must be the id of the listed`:      func(m *manifest.Manifest) { m.ID = manifest.ID(hash("other")) },
		`must be at most 12 lower-case`:     func(m *manifest.Manifest) { m.Project = "../../etc" },
		`key "units" is the name`:           func(m *manifest.Manifest) { m.Agents[0].Key = "units" },
		`"store" is the name`:               func(m *manifest.Manifest) { m.Project = "store" },
		`must be "fleet_demo"`:              func(m *manifest.Manifest) { m.Table = "filter" },
		`uid 0 of`:                          func(m *manifest.Manifest) { m.Users[0].UID = 0 },
		`name "root" must be demo-AGENT`:    func(m *manifest.Manifest) { m.Users[0].Name = "root" },
		`home "/root" must be`:              func(m *manifest.Manifest) { m.Users[0].Home = "/root" },
		`must be a unit name of project`:    func(m *manifest.Manifest) { m.Units[0].Name = "ssh.service" },
		`"fleet-demo-anchor.service" must`:  func(m *manifest.Manifest) { m.Units[0].Name = "fleet-demo-anchor.service" },
		`must belong to a listed unit`:      func(m *manifest.Manifest) { m.Units = m.Units[:1] },
		`onChange "x" of`:                   func(m *manifest.Manifest) { m.Units[0].OnChange = "x" },
		`activation.job: must be from 0`:    func(m *manifest.Manifest) { m.Activation.Job = -1 },
		`retention: must be at least 1`:     func(m *manifest.Manifest) { m.Retention = 0 },
		`must be a range of positive`:       func(m *manifest.Manifest) { m.UIDs = [2]int{0, 5} },
	}
	for want, f := range edit {
		t.Run(want, func(t *testing.T) {
			m := newSealed().m
			f(m)
			b, err := manifest.Encode(m)
			must(t, err)
			if _, err := manifest.Parse(b); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got: %v", err)
			}
		})
	}
}

// Drop-ins of the project's own units are part of a generation, those of other units are not.
func TestParseDropIns(t *testing.T) {
	for p, want := range map[string]bool{
		"units/fleet-demo-lead@x.service.d/a.conf": true, "units/fleet-demo-.service.d/a.conf": true,
		"units/ssh.service.d/a.conf": false, "units/fleet-demo-lead.service.d/a.txt": false, "units/x.conf": false,
	} {
		s := newSealed()
		s.m.Files = s.m.Files[:len(s.m.Files)-2]
		s.File(p, "0444", "[Unit]\n")
		s.seal()
		b, err := manifest.Encode(s.m)
		must(t, err)
		if _, err := manifest.Parse(b); (err == nil) != want {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestParseRefusesText(t *testing.T) {
	good, err := manifest.Encode(newSealed().m)
	must(t, err)
	for name, b := range map[string][]byte{
		"empty":       nil,
		"deep":        []byte(`{"version":1,"spec":` + strings.Repeat("[", 20000)),
		"unknown key": bytes.Replace(good, []byte(`"tool"`), []byte(`"tool2"`), 1),
		"two values":  append(bytes.Clone(good), "{}"...),
		"wrong type":  bytes.Replace(good, []byte(`"project": "demo"`), []byte(`"project": 5`), 1),
	} {
		if _, err := manifest.Parse(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestEncode: items of long lists are encoded one by one, and the text is what the encoder makes of the whole.
func TestEncode(t *testing.T) {
	whole := newSealed().m
	none := *whole
	none.Files = []manifest.File{}
	for _, m := range []*manifest.Manifest{whole, &none, {}} {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		must(t, e.Encode(m))
		got, err := manifest.Encode(m)
		if d := cmp.Diff(want.String(), string(got)); d != "" || err != nil {
			t.Errorf("%v: -want +got\n%s", err, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := manifest.Encode(newSealed().m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"files":[{"path":"a","mode":"link","link":"../../x"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := manifest.Parse(b)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if manifest.CheckPath(file.Path) != nil {
				t.Fatalf("accepted path %q", file.Path)
			}
		}
		again, err := manifest.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		m2, err := manifest.Parse(again)
		if err != nil || !json.Valid(again) {
			t.Fatalf("does not read what it wrote: %v", err)
		}
		if fmt.Sprint(m) != fmt.Sprint(m2) {
			t.Fatal("reads something else than it wrote")
		}
	})
}

func TestComputeIDOrderAndContent(t *testing.T) {
	files := newSealed().m.Files
	id := manifest.ComputeID(files)
	turned := append([]manifest.File{files[len(files)-1]}, files[:len(files)-1]...)
	if manifest.ComputeID(turned) != id {
		t.Error("the order of files must not count")
	}
	for name, f := range map[string]func(*manifest.File){
		"path": func(f *manifest.File) { f.Path += "x" },
		"mode": func(f *manifest.File) { f.Mode = "0555" },
		"hash": func(f *manifest.File) { f.SHA256 = hash("other") },
	} {
		changed := append([]manifest.File{}, files...)
		f(&changed[0])
		if manifest.ComputeID(changed) == id {
			t.Errorf("%s must count", name)
		}
	}
}
