package sysusers

import (
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/generate/model/modeltest"
	"fleet/schemas/fleet"
)

var update = flag.Bool("update", false, "write the expected files anew")

func demoFleet() *model.Fleet {
	return modeltest.Gated(&model.Fleet{Project: "demo", Operators: "fleet-operators", Agents: []model.Agent{
		{Key: "lead", User: "demo-lead", UID: 70001, Enabled: true, Git: fleet.Git{Signing: true}},
		{Key: "off", User: "demo-off", UID: 70002},
		{Key: "web-dev", User: "demo-web-dev", UID: 70003, Enabled: true},
	}})
}

func TestRender(t *testing.T) {
	files, err := artifacttest.Files(Render, demoFleet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"testdata/demo.sysusers", "testdata/demo.tmpfiles"} {
		got := string(files[i+1].Data)
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (run with -update): -want +got\n%s", name, diff)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, edit := range map[string]func(*model.Fleet){
		"user with a colon":            func(m *model.Fleet) { m.Agents[0].User = "a:b" },
		"user with a newline":          func(m *model.Fleet) { m.Agents[0].User = "a\nu x 0" },
		"user of 32 characters":        func(m *model.Fleet) { m.Agents[0].User = strings.Repeat("a", 32) },
		"root":                         func(m *model.Fleet) { m.Agents[0].UID = 0 },
		"nobody":                       func(m *model.Fleet) { m.Agents[0].UID = 65534 },
		"-1":                           func(m *model.Fleet) { m.Agents[0].UID = 1<<32 - 1 },
		"group":                        func(m *model.Fleet) { m.Operators = "a b" },
		"group that is an agent's":     func(m *model.Fleet) { m.Operators = "demo-lead" },
		"key that is a path":           func(m *model.Fleet) { m.Agents[0].Key = "../x" },
		"key that is a specifier":      func(m *model.Fleet) { m.Agents[0].Key = "%h" },
		"project with a quote":         func(m *model.Fleet) { m.Project = `a"b` },
		"project that hides in a path": func(m *model.Fleet) { m.Project = "." },
	} {
		t.Run(name, func(t *testing.T) {
			m := demoFleet()
			edit(m)
			if files, err := artifacttest.Files(Render, m, nil); err == nil {
				t.Errorf("got %s%s", files[1].Data, files[2].Data)
			}
		})
	}
	for _, mode := range []uint32{0o777, 0o4755, 0o1777, 0o002} {
		if _, err := Folders("x", []Folder{{Path: "/a", Mode: mode}}); err == nil {
			t.Errorf("mode %#o is taken", mode)
		}
	}
}

// A reader that shares nothing with the writer: lines of words, of which one may be quoted.
var lineRe = regexp.MustCompile(`^(?:# .*|([gud]) (\S+) (\S+)(?: ("[^"\n]*"|\S+) (\S+) (\S+))?)$`)

func lines(t *testing.T, text string) [][]string {
	t.Helper()
	var out [][]string
	for line := range strings.Lines(text) {
		m := lineRe.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Errorf("line %q", line)
			continue
		}
		if m[1] != "" {
			out = append(out, m[1:])
		}
	}
	return out
}

// FuzzUsers: no value adds a user, a group or a field.
func FuzzUsers(f *testing.F) {
	f.Add("x", "ops", "demo-lead", 70001, "a text", "/home/demo-lead")
	f.Add("x\nu y 0", "ops", "demo-lead", 70001, "a", "/home/x")
	f.Add("x", "ops\nu y 0", "demo-lead", 70001, "a", "/home/x")
	f.Add("x", "ops", "a b", 70001, "a", "/home/x")
	f.Add("x", "ops", "a", -1, "a", "/home/x")
	f.Add("x", "ops", "a", 70001, "a\" /root /bin/sh #", "/home/x")
	f.Add("x", "ops", "a", 70001, "%h", "/home/x")
	f.Add("x", "ops", "a", 70001, "a", "/home/x /bin/sh")
	f.Fuzz(func(t *testing.T, head, group, user string, id int, gecos, home string) {
		text, err := Users(head, []Group{{Name: group}}, []User{{user, id, gecos, home}})
		if err != nil {
			return
		}
		n := strconv.Itoa(id)
		want := [][]string{
			{"g", group, "-", "", "", ""},
			{"g", user, n, "", "", ""},
			{"u", user, n + ":" + n, `"` + strings.ReplaceAll(gecos, "%", "%%") + `"`, home, "/usr/sbin/nologin"},
		}
		if diff := cmp.Diff(want, lines(t, text)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// FuzzFolders: no value adds a line or a field, or makes another type of line.
func FuzzFolders(f *testing.F) {
	f.Add("x", "/run/a", uint32(0o750), "root", "demo-lead")
	f.Add("x\nL+ /etc/shadow", "/run/a", uint32(0o750), "root", "a")
	f.Add("x", "/run/a\nf /b", uint32(0o750), "root", "a")
	f.Add("x", "/run/../etc", uint32(0o750), "root", "a")
	f.Add("x", "/run/%b", uint32(0o750), "root", "a")
	f.Add("x", "/a", uint32(0o4755), "root", "a")
	f.Add("x", "/a", uint32(0o755), "root root -\nL /x", "a")
	f.Fuzz(func(t *testing.T, head, path string, mode uint32, user, group string) {
		text, err := Folders(head, []Folder{{path, mode, user, group}})
		if err != nil || user == "" || group == "" {
			return
		}
		want := [][]string{{"d", path, "0" + strconv.FormatUint(uint64(mode|0o1000), 8)[1:], user, group, "-"}}
		if diff := cmp.Diff(want, lines(t, text)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if strings.Contains(path, "..") && strings.Contains(path, "/../") {
			t.Errorf("path %q climbs", path)
		}
	})
}
