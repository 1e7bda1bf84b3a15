package sudoers

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mvdan.cc/sh/v3/syntax"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
)

var update = flag.Bool("update", false, "write the expected file anew")

func demoFleet() *model.Fleet {
	return &model.Fleet{Project: "demo", Operators: "fleet-operators", Agents: []model.Agent{
		{Key: "lead", User: "demo-lead", UID: 70001, Enabled: true, Isolation: model.Namespace},
		{Key: "off", User: "demo-off", UID: 70002, Isolation: model.User, Sudo: []string{"/bin/true"}},
		{Key: "web-dev", User: "demo-web-dev", UID: 70003, Enabled: true, Isolation: model.User, Sudo: []string{
			"/usr/bin/systemctl restart web.service",
			"/usr/bin/id",
			"/usr/bin/env A=1,2 x:y #z *.log [a-z]? !no {x} $HOME (a) ~ & | ; < > `",
		}},
	}}
}

func file(t testing.TB, m *model.Fleet) string {
	t.Helper()
	files, err := artifacttest.Files(Render, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == Path(m) {
			if f.Mode != artifact.ModeSudo {
				t.Errorf("mode %v", f.Mode)
			}
			return string(f.Data)
		}
	}
	t.Fatal("no sudoers file")
	return ""
}

func TestRender(t *testing.T) {
	got, path := file(t, demoFleet()), "testdata/demo"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run with -update: -want +got\n%s", diff)
	}
}

func TestNoOperators(t *testing.T) {
	m := demoFleet()
	m.Operators = ""
	m.Agents = m.Agents[:1]
	if got := file(t, m); strings.Count(got, "\n") != 1 {
		t.Errorf("gives a right to nobody: %q", got)
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*model.Fleet)
		want string
	}{
		{"group", func(m *model.Fleet) { m.Operators = "a, b" }, "must be one of them and match"},
		{"everybody's group", func(m *model.Fleet) { m.Operators = "ALL" }, "must be one of them and match"},
		{"user", func(m *model.Fleet) { m.Agents[2].User = "ALL" }, "must be one of them and match"},
		{"key", func(m *model.Fleet) { m.Agents[0].Key = "a\nb" }, "key must match"},
		{"project", func(m *model.Fleet) { m.Project = "x y" }, "must match"},
		{"namespace", func(m *model.Fleet) { m.Agents[2].Isolation = model.Namespace }, "agents.web-dev.sudo: must stand only with isolation user"},
		{"command", func(m *model.Fleet) { m.Agents[2].Sudo = []string{"/bin/true", "ALL"} }, `agents.web-dev.sudo[1]: command "ALL" must be an absolute path`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := demoFleet()
			tc.edit(m)
			_, err := artifacttest.Files(Render, m, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestParseCommand(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"/usr/bin/id", `/usr/bin/id ""`},
		{"/usr/bin/id -u", "/usr/bin/id -u"},
		{"/bin/x a,b:c=d#e", `/bin/x a\,b\:c\=d\#e`},
		{"/bin/x *?[]!", `/bin/x \*\?\[\]\!`},
		{"/bin/x héllo %d", "/bin/x héllo %d"},
	} {
		c, err := ParseCommand(tc.line)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, _ := c.text(); got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.line, got, tc.want)
		}
	}
	for _, bad := range []string{
		"", "id", "ALL", "/", "/usr/bin/", "/usr/bin/*", "/usr/../bin/id", "/usr/./id", "//bin/id", "/usr/bin/sudoedit x",
		"/bin/x  y", "/bin/x ", " /bin/x", "/bin/x a\tb", "/bin/x a\nb", "/bin/x a\x00", "/bin/x \xff", "/bin/x a\u2028b",
		`/bin/x "a"`, `/bin/x 'a'`, `/bin/x a\b`, "/bin/x ^.*$", `/bin/x ""`, "/bin/a,b", "/bin/a:b", "/bin/a=b", "/bin/a#b",
		"sha256:abc /bin/x", "!/bin/x", "NOPASSWD: /bin/x",
	} {
		if c, err := ParseCommand(bad); err == nil {
			t.Errorf("%q is taken as %+v", bad, c)
		}
	}
}

// Every script is read by sh, by shellcheck without exclusions, and by a parser of its own.
func TestScripts(t *testing.T) {
	m := demoFleet()
	files, err := Scripts(m, &m.Agents[2])
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(verbs) {
		t.Errorf("%d scripts", len(files))
	}
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, filepath.Base(string(f.Path)))
		if err := os.WriteFile(path, f.Data, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, argv := range [][]string{{"sh", "-n", path}, {"shellcheck", path}} {
			if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", f.Path, err, out)
			}
		}
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(string(f.Data)), path); err != nil {
			t.Error(err)
		}
	}
}

var (
	ruleRe  = regexp.MustCompile(`^(%?)([a-z_][a-z0-9_-]*) ALL = \(root\) NOPASSWD: (FLEET_[A-Z0-9_]+)$`)
	aliasLn = regexp.MustCompile(`^Cmnd_Alias (FLEET_[A-Z0-9_]+) = (.*)$`)
)

// rules is a reader of sudoers' grammar that shares nothing with the writer: comments go, continued lines are joined,
// and each logical line is of one of three kinds. It returns the commands of each rule, unquoted, with escaped spaces.
func rules(t testing.TB, text string) map[string][]string {
	t.Helper()
	commands, out := map[string][]string{}, map[string][]string{}
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", ""), "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case strings.HasPrefix(line, "Defaults"):
			if !strings.HasSuffix(line, settings) && !strings.HasSuffix(line, serviceSettings) {
				t.Errorf("settings %q", line)
			}
		case aliasLn.MatchString(line):
			m := aliasLn.FindStringSubmatch(line)
			for _, c := range splitUnescaped(m[2]) {
				commands[m[1]] = append(commands[m[1]], strings.TrimSpace(c))
			}
		case ruleRe.MatchString(line):
			m := ruleRe.FindStringSubmatch(line)
			out[m[1]+m[2]] = append(out[m[1]+m[2]], commands[m[3]]...)
		default:
			t.Errorf("line %q", line)
		}
	}
	return out
}

func splitUnescaped(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, b.String())
}

// FuzzRender: no value adds a right, a command or an argument, or gives one to somebody else.
func FuzzRender(f *testing.F) {
	f.Add("demo", "ops", "web", "demo-web", "/usr/bin/id", "/bin/x a b")
	f.Add("demo", "ALL", "web", "demo-web", "/usr/bin/id", "/bin/x")
	f.Add("demo", "ops", "web", "ALL", "/usr/bin/id", "/bin/x")
	f.Add("demo", "ops", "web\nALL ALL = ALL", "demo-web", "/usr/bin/id", "/bin/x")
	f.Add("demo", "ops", "web", "demo-web", "/usr/bin/id, ALL", "/bin/x")
	f.Add("demo", "ops", "web", "demo-web", "/usr/bin/id", "/bin/x a, /bin/sh")
	f.Add("demo", "ops", "web", "demo-web", "/usr/bin/id", "/bin/x a\\")
	f.Add("demo", "ops", "web", "demo-web", "/usr/bin/id", "/bin/x\nALL ALL=(ALL) ALL")
	f.Add("demo", "ops", "web", "demo-web", "/usr/bin/id", "/bin/x # y")
	f.Fuzz(func(t *testing.T, project, group, key, user, one, two string) {
		m := &model.Fleet{Project: project, Operators: group, Agents: []model.Agent{
			{Key: key, User: user, Enabled: true, Isolation: model.User, Sudo: []string{one, two}},
		}}
		files, err := artifacttest.Files(Render, m, nil)
		if err != nil || group == "" {
			return
		}
		var operated []string
		for _, s := range files[:len(files)-1] {
			operated = append(operated, s.StorePath()+` ""`)
		}
		bare := func(line string) string {
			if !strings.Contains(line, " ") {
				line += ` ""`
			}
			return line
		}
		want := map[string][]string{"%" + group: operated, user: {bare(one), bare(two)}}
		if diff := cmp.Diff(want, rules(t, string(files[len(files)-1].Data))); diff != "" {
			t.Errorf("other rights: -want +got\n%s", diff)
		}
	})
}

// FuzzScripts: no value adds a command to a script: the parsed tree is the same but for the words of assignments.
func FuzzScripts(f *testing.F) {
	f.Add("demo", "web", "demo-web")
	f.Add("$(id)", "web", "'; id; '")
	f.Add("`id`\n", "a b", "\x00")
	f.Add("demo", "web", "x\nid\n")
	want := commands(f, "demo", "web", "demo-web")
	f.Fuzz(func(t *testing.T, project, key, user string) {
		m := &model.Fleet{Project: project}
		if _, err := Scripts(m, &model.Agent{Key: key, User: user}); err != nil {
			return
		}
		if diff := cmp.Diff(want, commands(t, project, key, user)); diff != "" {
			t.Errorf("other commands: -want +got\n%s", diff)
		}
	})
}

func commands(t testing.TB, project, key, user string) []string {
	t.Helper()
	files, err := Scripts(&model.Fleet{Project: project}, &model.Agent{Key: key, User: user})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		tree, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(string(f.Data)), "")
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range tree.Stmts {
			if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) == 0 && i < 9 {
				for _, a := range call.Assigns {
					if _, ok := literal(a.Value); !ok {
						t.Errorf("%s is not literal", a.Name.Value)
					}
					out = append(out, a.Name.Value+"=")
				}
				continue
			}
			var b strings.Builder
			syntax.NewPrinter().Print(&b, s)
			out = append(out, b.String())
		}
	}
	return out
}

// literal returns the text of a word without expansions.
func literal(w *syntax.Word) (string, bool) {
	if w == nil {
		return "", true
	}
	var b strings.Builder
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(p.Value)
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			for _, q := range p.Parts {
				lit, ok := q.(*syntax.Lit)
				if !ok {
					return "", false
				}
				b.WriteString(lit.Value)
			}
		default:
			return "", false
		}
	}
	return b.String(), true
}
