package runner

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mvdan.cc/sh/v3/syntax"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// parse reads a script with an independent reader of shell.
func parse(t testing.TB, name, text string) *syntax.File {
	t.Helper()
	f, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX), syntax.KeepComments(true)).Parse(strings.NewReader(text), name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// assignments are the variables that a header sets. Anything in it that is not an assignment of a constant is a fault.
func assignments(t testing.TB, header string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, stmt := range parse(t, "header", header).Stmts {
		call, ok := stmt.Cmd.(*syntax.CallExpr)
		if !ok || len(call.Args) > 0 || len(call.Assigns) != 1 || len(stmt.Redirs) > 0 || stmt.Background || stmt.Negated {
			t.Fatalf("%s: is no assignment: %s", stmt.Pos(), header)
		}
		out[call.Assigns[0].Name.Value] = constant(t, call.Assigns[0].Value)
	}
	return out
}

// constant is the value of a word without expansions.
func constant(t testing.TB, w *syntax.Word) string {
	t.Helper()
	var out strings.Builder
	for _, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.SglQuoted:
			if p.Dollar {
				t.Fatal("a quote with a dollar sign")
			}
			out.WriteString(p.Value)
		case *syntax.Lit:
			if len(p.Value) != 2 || p.Value[0] != '\\' {
				t.Fatalf("%q stands without quotes", p.Value)
			}
			out.WriteString(p.Value[1:])
		default:
			t.Fatalf("a %T is no constant", part)
		}
	}
	return out.String()
}

// split cuts a script into its header and the body that all share.
func split(t testing.TB, f artifact.File, body string) string {
	t.Helper()
	header, found := strings.CutSuffix(string(f.Data), body)
	if !found {
		t.Fatalf("%s does not end with the body", f.Path)
	}
	return header
}

// bodyOf is the body of the script of an agent or a job.
func bodyOf(p artifact.Path) string {
	if strings.Contains(string(p), "/jobs/") {
		return jobBody + runBody
	}
	return loopBody + runBody
}

func TestHeaderHoldsWhatWasMeant(t *testing.T) {
	m := sample()
	tree := render(t, m)
	f, _ := tree.Get("agents/lead/run")
	got := assignments(t, split(t, f, loopBody+runBody))
	lead := m.Agents[0]
	for name, want := range map[string]string{
		"kind": "session", "prompt": lead.Prompt, "argv": strings.Join(lead.Harness.Interactive, "\n"), "day": "300",
		"from": "0800", "timezone": "Europe/Berlin", "keep": "43200", "home": "/home/demo-lead", "turn_end": "stop-hook",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	f, _ = tree.Get("agents/lead/jobs/nightly")
	got = assignments(t, split(t, f, jobBody+runBody))
	for name, want := range map[string]string{
		"kind": "job", "job": "nightly", "mode": "headless", "session": "3600", "patience": "12030", "keep_jobs": "10080",
		"overlap": "skip", "events": "*-*-* 03:00:00\nFri *-*-* 04:00:00", "every": "", "cost": "2.5",
	} {
		if got[name] != want {
			t.Errorf("job: %s is %q, want %q", name, got[name], want)
		}
	}
	for name, want := range map[artifact.Path]string{
		"agents/lead/home/home-1": `{"/home/demo-lead":"789\"abcdefghijklmno\""}`,
		"agents/lead/home/home-2": `0123456789\"abcdefghijklmno\"`,
		"agents/lead/home/home-3": "", // a file with a variable that the agent lacks
	} {
		if text, _ := tree.Get(name); string(text.Data) != want {
			t.Errorf("%s: %s", name, text.Data)
		}
	}
}

// Every variable of a header is one that the body reads, and none comes from the environment by mistake.
func TestHeadersAreWhole(t *testing.T) {
	tree := render(t, sample())
	var first []string
	// What only one of a loop and a job has.
	special := []string{
		"calls", "resume", "session_name", "talk", "talk_again", "day", "night", "from", "to", "timezone", "tool_delay",
		"overlap", "patience", "every", "events", "tool_due",
	}
	for _, p := range []artifact.Path{"agents/lead/run", "agents/lead/jobs/nightly", "agents/worker/run"} {
		f, _ := tree.Get(p)
		var names []string
		for name := range assignments(t, split(t, f, bodyOf(p))) {
			names = append(names, name)
			if all := bodyOf(p); !strings.Contains(all, "$"+name) && !strings.Contains(all, "${"+name) {
				t.Errorf("%s: nobody reads %s", p, name)
			}
		}
		slices.Sort(names)
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(special, name) })
		if first == nil {
			first = names
		}
		if d := cmp.Diff(first, names); d != "" {
			t.Errorf("%s sets other variables:\n%s", p, d)
		}
	}
}

// A person reads what runs an agent.
func TestTheRunnerIsShort(t *testing.T) {
	for name, text := range map[string]string{"run": runBody, "loop": loopBody, "job": jobBody, "chat": chatBody} {
		if n := strings.Count(text, "\n"); n > 200 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

func TestDisabledAgentHasNoScripts(t *testing.T) {
	for f := range render(t, sample()).All() {
		if strings.HasPrefix(string(f.Path), "agents/off/") {
			t.Errorf("%s", f.Path)
		}
	}
}

func TestRefusesWhatAScriptCannotHold(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*model.Agent)
		path   string
	}{
		"NUL":           {func(a *model.Agent) { a.Prompt = "a\x00b" }, "agents.lead.prompt"},
		"not UTF-8":     {func(a *model.Agent) { a.Prompt = "a\xff" }, "agents.lead.prompt"},
		"line in argv":  {func(a *model.Agent) { a.Harness.Interactive[1] = "a\nb" }, "agents.lead.harness"},
		"blank in home": {func(a *model.Agent) { a.Harness.Home["a b"] = "" }, "agents.lead.harness.home"},
	} {
		m := sample()
		c.change(&m.Agents[0])
		_, err := artifacttest.Files(Render, m, withGate(t))
		var refused *report.Err
		if !errors.As(err, &refused) || refused.Report.Entries[0].Path != c.path {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The linter and the shell itself read every script.
func TestScriptsAreClean(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for f := range render(t, sample()).All() {
		if strings.Contains(string(f.Path), "/hooks/") || f.Mode != artifact.ModeScript {
			continue
		}
		parse(t, string(f.Path), string(f.Data))
		name := dir + "/" + strings.ReplaceAll(string(f.Path), "/", "_")
		writeFile(t, name, string(f.Data))
		names = append(names, name)
		if out, err := exec.Command("sh", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", f.Path, out)
		}
	}
	if out, err := exec.Command("shellcheck", append([]string{"-s", "sh"}, names...)...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// FuzzHeader: no value adds a command, and every value comes out as it went in.
func FuzzHeader(f *testing.F) {
	f.Add("Work.", "--model=x", ".tool.json", "true", "https://example.com", "Europe/Berlin")
	nasty := sample().Agents[0].Prompt
	f.Add(nasty, nasty, nasty, nasty, nasty, nasty)
	f.Add("\n$(id)\n", "`id`", "a'b", "#!/bin/sh\nreboot", "'; reboot; '", "$TZ")
	f.Fuzz(func(t *testing.T, prompt, arg, home, script, url, zone string) {
		m := sample()
		m.Watchdog.HeartbeatURL = url
		a := &m.Agents[0]
		a.Prompt, a.Schedules[0].Prompt, a.Iteration.Timezone = prompt, prompt, zone
		a.Harness.Interactive[1], a.Harness.Program, a.Harness.Instructions, a.Harness.SettingsDir = arg, arg, home, ""
		a.Harness.Home = map[string]string{home: script}
		a.Hooks = map[string]model.Hook{"before": {Script: script}}
		files, err := artifacttest.Files(Render, m, withGate(t))
		if err != nil {
			return
		}
		for _, file := range files {
			switch file.Path {
			case "agents/lead/run", "agents/lead/jobs/nightly":
				got := assignments(t, split(t, file, bodyOf(file.Path)))
				_, loop := got["timezone"]
				if got["prompt"] != prompt || loop && got["timezone"] != zone || got["program"] != arg && arg != "" || got["instructions"] != home {
					t.Errorf("%q", got)
				}
			case "libexec/watchdog":
				if got := assignments(t, split(t, file, watchdogBody+watchdogAgent+watchdogGate+watchdogProject)); got["heartbeat_url"] != url {
					t.Errorf("%q", got)
				}
			}
		}
	})
}
