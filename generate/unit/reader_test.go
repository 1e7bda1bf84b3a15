package unit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/report"
)

// The reader of this file is written from systemd.syntax(7), systemd.service(5) and systemd.unit(5) alone, so that it
// shares no mistake with the writer.

// assignment is one KEY=VALUE of a section.
type assignment struct{ Section, Key, Value string }

// readUnit reads a unit file: comments, sections, assignments, lines continued after a backslash.
func readUnit(text string) ([]assignment, error) {
	var out []assignment
	section, pending := "", ""
	for _, line := range strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' || c == 0 }) {
		trimmed := strings.TrimLeft(line, " \t")
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		if pending != "" {
			line, pending = pending+trimmed, ""
		}
		if backslashes(line)%2 == 1 {
			pending = line[:len(line)-1] + " "
			continue
		}
		line = strings.Trim(line, " \t")
		switch {
		case line == "":
		case strings.HasPrefix(line, "["):
			if !strings.HasSuffix(line, "]") {
				return nil, fmt.Errorf("bad section %q", line)
			}
			section = line[1 : len(line)-1]
		default:
			key, value, found := strings.Cut(line, "=")
			if !found || section == "" {
				return nil, fmt.Errorf("line %q is no assignment", line)
			}
			out = append(out, assignment{section, strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t")})
		}
	}
	if pending != "" {
		return nil, fmt.Errorf("the last line goes on")
	}
	return out, nil
}

// backslashes counts those at the end of a line. systemd joins lines after an odd number.
func backslashes(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }

// words splits a value as systemd does for command lines, Environment= and BindPaths=: white space or one of seps
// outside quotes separates, quotes hold together, backslash escapes are undone.
func words(value, seps string) ([]string, error) {
	var out []string
	var word strings.Builder
	inside, quote := false, rune(0)
	rs := []rune(value)
	for i := 0; i < len(rs); i++ {
		c := rs[i]
		switch {
		case c == '\\':
			i++
			if i == len(rs) {
				return nil, fmt.Errorf("%q ends in a backslash", value)
			}
			if !strings.ContainsRune(`\"'`, rs[i]) {
				return nil, fmt.Errorf("%q has the escape \\%c, which the writer has no use for", value, rs[i])
			}
			word.WriteRune(rs[i])
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, inside = c, true
		case c == ' ' || c == '\t' || strings.ContainsRune(seps, c):
			if inside {
				out = append(out, word.String())
			}
			word.Reset()
			inside = false
		case c == ';' && !inside && (i+1 == len(rs) || rs[i+1] == ' '):
			return nil, fmt.Errorf("%q is more than one command", value)
		default:
			word.WriteRune(c)
			inside = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q has an open quote", value)
	}
	if inside {
		out = append(out, word.String())
	}
	return out, nil
}

// plain undoes specifiers; any but %% is one that the writer let through.
func plain(s string) (string, error) {
	if strings.Contains(strings.ReplaceAll(s, "%%", ""), "%") {
		return "", fmt.Errorf("%q has a specifier", s)
	}
	return strings.ReplaceAll(s, "%%", "%"), nil
}

// commandLine reads ExecStart= and the like back into prefix and arguments.
func commandLine(value string) (string, []string, error) {
	prefix := value[:len(value)-len(strings.TrimLeft(value, "@-:+!"))]
	argv, err := words(value[len(prefix):], "")
	if err != nil {
		return "", nil, err
	}
	for i := range argv {
		if strings.Contains(strings.ReplaceAll(argv[i], "$$", ""), "$") {
			return "", nil, fmt.Errorf("%q has a variable", argv[i])
		}
		argv[i] = strings.ReplaceAll(argv[i], "$$", "$")
		if argv[i], err = plain(argv[i]); err != nil {
			return "", nil, err
		}
	}
	return prefix, argv, nil
}

// hostileValues are what a unit file could stumble over.
var hostileValues = []string{
	"", " ", "a b", "%", "%%", "%n", "%H%h", "$", "$HOME", "${HOME}", "$$", `"`, `'`, `\`, `\\`, `a\`, `\n`,
	`\x41`, `\"`, "a\"b'c",
	";", "; ", "a ; b", "#", "# x", "[Service]", "ExecStart=/bin/sh", "+/bin/sh", "-", "--", "-x", "@", "!", ":",
	"|", "~", "=", "a=b",
	"a\nExecStart=/bin/sh", "a\rb", "a\x00b", "\t", "\x1b[2J", "\u0085", "\u2028", "é", "日本", "\xff", "\ufeff",
	"*", "?", "`id`", "$(id)",
	strings.Repeat("x", 3000), strings.Repeat(`\`, 1001), "/a:b", "/a b", "/../x", "/x/", "//x", "a,b", "{a}", "<x>", "&&",
}

// FuzzWriter proves that no value adds a directive, a section or an argument, or changes another: what the reader finds
// is what was written, or the writer has refused it.
func FuzzWriter(f *testing.F) {
	for i, v := range hostileValues {
		f.Add(v, hostileValues[(i*7+3)%len(hostileValues)], hostileValues[(i*5+1)%len(hostileValues)])
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var r report.Report
		u := New("fleet-x-y.service", "agents.y", &r)
		ok := func() bool { return !r.Failed() }
		s := u.Section("Unit").At("agents.y.a")
		s.Text("Description", a)
		s.Raw("Documentation", b)
		s.Path("SourcePath", c)
		s = u.Section("Service").At("agents.y.b")
		s.Env("A", a)
		s.Env(b, c)
		s.Exec("ExecStart", Command{Prefix: "!", Argv: []string{"/bin/x", a, b, c}})
		s.Exec("ExecStop", Command{Argv: []string{"/bin/x", a, b, c}, Fold: 1})
		s.Exec("ExecReload", Command{Argv: []string{a, b}})
		s.Bind(Bind{Source: a, Target: b, Write: true})
		s.Bind(Bind{Source: "/" + strings.Trim(a, "/"), Target: "/x", Optional: true})
		s.Words("Slice", a, b)
		s.put(a, "x", nil)
		got, err := readUnit(string(u.Text()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, u.Text())
		}
		check(t, got, a, b, c)
		if ok() && len(got) != 14 {
			t.Errorf("%d assignments and no fault:\n%s", len(got), u.Text())
		}
	})
}

// check compares each assignment that was written with what it was made from. A value that was refused is not there.
func check(t *testing.T, got []assignment, a, b, c string) {
	t.Helper()
	for _, g := range got {
		if (g == assignment{"Service", a, "x"}) {
			continue // the name came from outside too
		}
		var have any
		var want any
		var err error
		switch g.Section + "." + g.Key {
		case "Unit.Description":
			have, err = plain(g.Value)
			want = a
		case "Unit.Documentation":
			have, want = g.Value, b
		case "Unit.SourcePath":
			have, err = plain(g.Value)
			want = c
		case "Service.Environment":
			have, want, err = readEnv(g.Value, a, b, c)
		case "Service.ExecStart", "Service.ExecStop", "Service.ExecReload":
			have, want, err = readExec(g, a, b, c)
		case "Service.BindPaths", "Service.BindReadOnlyPaths":
			have, want, err = readBind(g, a, b)
		case "Service.Slice":
			have, want = strings.Fields(g.Value), strings.Fields(a+" "+b)
		default:
			t.Errorf("%s.%s=%s was never written", g.Section, g.Key, g.Value)
		}
		if err != nil {
			t.Errorf("%s: %v", g.Key, err)
		} else if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-wanted +read):\n%s", g.Key, diff)
		}
	}
}

func readEnv(value, a, b, c string) (any, any, error) {
	got, err := words(value, "")
	if err != nil || len(got) != 1 {
		return nil, nil, fmt.Errorf("%q: %d variables, %w", value, len(got), err)
	}
	have, err := plain(got[0])
	want := "A=" + a
	if have != want {
		want = b + "=" + c
	}
	return have, want, err
}

func readExec(g assignment, a, b, c string) (any, any, error) {
	prefix, argv, err := commandLine(g.Value)
	wantPrefix, want := map[string]string{"ExecStart": "!"}[g.Key], []string{"/bin/x", a, b, c}
	if g.Key == "ExecReload" {
		want = []string{a, b}
	}
	return append([]string{prefix}, argv...), append([]string{wantPrefix}, want...), err
}

func readBind(g assignment, a, b string) (any, any, error) {
	value := strings.TrimPrefix(g.Value, "-")
	parts, err := words(value, ":")
	if err != nil {
		return nil, nil, err
	}
	for i := range parts {
		if parts[i], err = plain(parts[i]); err != nil {
			return nil, nil, err
		}
	}
	want := []string{a, b}
	if g.Key == "BindReadOnlyPaths" {
		want = []string{"/" + strings.Trim(a, "/"), "/x"}
	}
	if want[1] == "" || want[0] == want[1] {
		want = want[:1] // the same place inside
	}
	return parts, want, nil
}
