package lint

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/profile"
	"fleet/schemas/manifest"
	"fleet/schemas/manifest/manifesttest"
	"fleet/schemas/report"
)

func TestSources(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       []string
	}{
		{"BindPaths", "/srv", []string{"/srv"}},
		{"BindPaths", "/srv:/mnt:rbind -/opt /a", []string{"/srv", "-/opt", "/a"}},
		{"BindPaths", `"/srv/a b":"/mnt/a b"`, []string{"/srv/a b"}},
		{"BindPaths", `'/srv/a:b':/x "/q\"uote"`, []string{"/srv/a:b", `/q"uote`}},
		{"BindPaths", `/a\:b:/c`, []string{"/a:b"}},
		{"BindPaths", "/home/%i /100%%", []string{"/100%"}},
		{"LoadCredential", "key:/etc/key", []string{"/etc/key"}},
		{"RootDirectory", "+/x", []string{"/x"}},
		{"BindPaths", "", nil},
	} {
		if d := cmp.Diff(c.want, sources(c.key, c.value)); d != "" {
			t.Errorf("%s=%s: %s", c.key, c.value, d)
		}
	}
}

// question is a generation in a root folder with the passwd of a small host.
func question(t *testing.T, tree *manifesttest.Tree) Question {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": "root:x:0:\nadm:x:4:\n", "/srv/data/x": ""} {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(root, "g")
	m := tree.Write(t, dir)
	return Question{Layout: profile.Layout{Project: m.Project, Root: root}, Dir: dir, Manifest: m}
}

func found(t *testing.T, judge func(context.Context, Question) (report.Report, error), q Question) string {
	t.Helper()
	r, err := judge(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

// B13: every user and path that a unit names is there, or is made by fleet.
func TestNamesB13(t *testing.T) {
	for line, want := range map[string]string{
		"User=demo-lead":                                     "",
		"User=root\nGroup=adm":                               "",
		"User=nobodyhere":                                    `names user "nobodyhere"`,
		"Group=nogroup":                                      `names group "nogroup"`,
		"Group=fleet-operators":                              "",
		"BindPaths=/srv/data:/mnt":                           "",
		"BindPaths=/srv/other:/mnt":                          "names /srv/other in BindPaths=",
		"BindReadOnlyPaths=-/srv/other":                      "",
		"BindReadOnlyPaths=/var/lib/fleet/demo/records/lead": "",
		"BindReadOnlyPaths=/home/demo-lead":                  "",
		"BindReadOnlyPaths=/home/demo-leader":                "names /home/demo-leader",
		"EnvironmentFile=/etc/nope":                          "names /etc/nope in EnvironmentFile=",
		"ExecStart=/var/lib/fleet/store/" + strings.Repeat("0", 32) + "-x": "which the generation does not bring",
	} {
		tree := manifesttest.New("demo")
		tree.Unit("fleet-demo-lead.service", "lead", "graceful", "[Service]\n"+line+"\n")
		got := found(t, names, question(t, tree))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// B16: a number or name that the host gave otherwise is refused, both are named.
func TestAccountsB16(t *testing.T) {
	for name, c := range map[string]struct{ passwd, group, want string }{
		"free":         {"", "", ""},
		"as wanted":    {"demo-lead:x:70001:70001::/home/demo-lead:/x\n", "demo-lead:x:70001:\n", ""},
		"uid taken":    {"mary:x:70001:100::/:/x\n", "", "needs uid 70001, which mary has"},
		"other uid":    {"demo-lead:x:1234:1234::/:/x\n", "", "must have uid 70001 and has uid 1234"},
		"gid taken":    {"", "staff:x:70001:\n", "needs gid 70001, which group staff has"},
		"other gid":    {"", "demo-lead:x:55:\n", "must have group demo-lead with gid 70001 and it has gid 55"},
		"several":      {"mary:x:70001:100::/:/x\n", "staff:x:70001:\n", "staff"},
		"several, too": {"mary:x:70001:100::/:/x\n", "staff:x:70001:\n", "mary"},
	} {
		q := question(t, manifesttest.New("demo"))
		for file, text := range map[string]string{"/etc/passwd": c.passwd, "/etc/group": c.group} {
			if err := os.WriteFile(q.Layout.Root+file, []byte("root:x:0:0::/root:/bin/sh\n"+text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got := found(t, accounts, q)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

const listing = `Matching Defaults entries for ann on vm:
    env_reset, use_pty

User ann may run the following commands on vm:

Sudoers entry:
    RunAsUsers: root
    Options: setenv, !authenticate
    Commands:
	/var/lib/fleet/store/aa-start ""
	/usr/bin/id

Sudoers entry:
    RunAsUsers: ALL
    RunAsGroups: ALL
    Commands:
	ALL
`

func TestParseRights(t *testing.T) {
	want := []string{`root; setenv, !authenticate: /var/lib/fleet/store/aa-start ""`, "root; setenv, !authenticate: /usr/bin/id", "ALL;ALL; : ALL"}
	var got []string
	for _, r := range parseRights(listing) {
		got = append(got, r.as+" "+r.options+": "+r.command)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// ops is a generation in which agent lead has an operator's script with this text.
func ops(text string, enabled bool) *manifest.Manifest {
	tree := manifesttest.New("demo")
	tree.File("agents/lead/ops/start", "0555", text)
	tree.Manifest.Agents[0].Enabled = enabled
	return tree.Seal()
}

func TestLostB15(t *testing.T) {
	old, next, off := ops("old", true), ops("new", true), ops("new", false)
	script := func(m *manifest.Manifest) string {
		for _, f := range m.Files {
			if f.Path == "agents/lead/ops/start" {
				return manifest.StoreDir + "/" + f.Store + ` ""`
			}
		}
		return ""
	}
	free := func(command string) right { return right{"root;", "!authenticate", command} }
	for name, c := range map[string]struct {
		next          *manifest.Manifest
		before, after []right
		want          []string
	}{
		"renamed in the store": {next, []right{free(script(old))}, []right{free(script(next))}, nil},
		"forgotten":            {next, []right{free(script(old))}, nil, []string{script(old)}},
		"old one only":         {next, []right{free(script(old))}, []right{free(script(old))}, []string{script(old)}},
		"agent disabled":       {off, []right{free(script(old))}, nil, nil},
		"wants a password":     {next, []right{free(script(old))}, []right{{"root;", "setenv", script(next)}}, []string{script(old)}},
		"other options":        {next, []right{free(script(old))}, []right{{"root;", "!setenv, !authenticate", script(next)}}, nil},
		"other user":           {next, []right{free(script(old))}, []right{{"nobody;", "!authenticate", script(next)}}, []string{script(old)}},
		"an administrator's":   {next, []right{{"root;", "", "/usr/bin/id"}}, nil, []string{"/usr/bin/id"}},
		"kept":                 {next, []right{{"root;", "", "/usr/bin/id"}}, []right{{"root;", "", "/usr/bin/id"}}, nil},
		"forbidden":            {next, nil, []right{{"root;", "", "!/usr/bin/id"}}, []string{"!/usr/bin/id"}},
	} {
		if d := cmp.Diff(c.want, lost(old, c.next, c.before, c.after)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
