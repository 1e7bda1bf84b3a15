package settings

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"mvdan.cc/sh/v3/syntax"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

func claudeAgent() model.Agent {
	return model.Agent{
		Key: "lead", User: "demo-lead", Enabled: true, Instructions: "# Atlas\n",
		Harness: model.Harness{
			Name: "claude-code", Mode: "bypassPermissions", Env: map[string]string{"DISABLE_AUTOUPDATER": "1"},
			Settings: map[string]any{
				"settings.json": content(), "settings.toml": content(), "plugin.js": "// {{turn}} is a text here\n",
				"RULES.md": model.InstructionsVariable,
			},
			Server: map[string]any{"url": "{{url}}", "name": "{{name}}", "on": true},
		},
		Permissions: fleet.Permissions{Mode: "bypassPermissions", Deny: []string{`Bash(rm "x" <y>)`}},
		Git:         fleet.Git{Name: "Atlas", Email: "atlas@example.org"},
	}
}

// content holds every kind of value, and what is left out.
func content() map[string]any {
	return map[string]any{
		"mode": "{{permissions.mode}}", "days": "{{transcriptDays}}", "text": "not {{turn}} alone", "number": 5.0, "part": 0.5, "off": false,
		"model": "{{model}}", "lists": map[string]any{"allow": "{{permissions.allow}}", "ask": []any{"{{effort}}"}},
		"rules": map[string]any{"*": "allow", "{{permissions.deny}}": "deny", "{{permissions.ask}}": "ask"},
		"env":   "{{env}}", "servers": "{{servers}}", "empty": map[string]any{}, "none": []any{},
		"hooks": map[string]any{
			"Stop": []any{map[string]any{"command": "{{turn}}", "timeout": 10.0}}, "StopFailure": "{{turnFailed}}", "Start": "{{beat}}",
		},
	}
}

func render(t testing.TB, a model.Agent) map[string]string {
	t.Helper()
	a.Calls = []model.Callable{{Name: "deploy", Port: 3200}}
	m := &model.Fleet{
		Project: "demo", Agents: []model.Agent{a}, Retention: model.Retention{Transcripts: 36 * time.Hour},
	}
	files, err := artifacttest.Files(Render, m, artifact.NewTree())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[strings.TrimPrefix(string(f.Path), "agents/lead/")] = string(f.Data)
	}
	return out
}

func TestRenderFiles(t *testing.T) {
	for name, got := range render(t, claudeAgent()) {
		file := filepath.Join("testdata", filepath.Base(name))
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s: golden (-), got (+):\n%s", name, d)
		}
	}
}

func TestNoSettingsWithoutAForm(t *testing.T) {
	a := claudeAgent()
	a.Harness.Settings = nil
	for name := range render(t, a) {
		if strings.HasPrefix(name, "settings/") {
			t.Errorf("got %s", name)
		}
	}
	a.Enabled = false
	if got := render(t, a); len(got) != 0 {
		t.Errorf("a disabled agent has %v", got)
	}
}

// The hooks are commands for sh.
func TestHooksParse(t *testing.T) {
	for _, command := range []string{beat, turn, turnFailed} {
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(command), ""); err != nil {
			t.Error(err)
		}
	}
}

// Both languages say the same.
func TestLanguages(t *testing.T) {
	files := render(t, claudeAgent())
	inJSON, inTOML := read(t, files, "settings")
	var want map[string]any
	again, err := json.Marshal(inTOML)
	if err == nil {
		err = json.Unmarshal(again, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, inJSON); d != "" {
		t.Errorf("TOML (-), JSON (+):\n%s", d)
	}
	if _, whole := inTOML["number"].(int64); !whole {
		t.Errorf("5 is written as a %T", inTOML["number"])
	}
}

// read returns what the languages' readers find in the files of settings of this name.
func read(t testing.TB, files map[string]string, name string) (inJSON, inTOML map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(files["settings/"+name+".json"]), &inJSON); err != nil {
		t.Fatal(err)
	}
	if err := toml.Unmarshal([]byte(files["settings/"+name+".toml"]), &inTOML); err != nil {
		t.Fatalf("%v\n%s", err, files["settings/"+name+".toml"])
	}
	return inJSON, inTOML
}

// FuzzManaged: whatever a spec puts into settings, the languages' readers get it back.
func FuzzManaged(f *testing.F) {
	f.Add("Stop", "it's \"q\" \\ \n'''\n[x]", "deny \x7f")
	f.Add("", "\x00\u2028", "a.b")
	f.Fuzz(func(t *testing.T, key, value, rule string) {
		if all := key + value + rule; !utf8.ValidString(all) || strings.Contains(all, "{{") {
			return // a spec's texts are UTF-8
		}
		a := claudeAgent()
		a.Permissions.Deny = []string{rule}
		content := map[string]any{
			"k": map[string]any{key: value}, "r": map[string]any{"{{permissions.deny}}": "deny"}, "l": "{{permissions.deny}}",
		}
		a.Harness.Settings = map[string]any{"s.json": content, "s.toml": content}
		want := map[string]any{"k": map[string]any{key: value}, "r": map[string]any{rule: "deny"}, "l": []any{rule}}
		inJSON, inTOML := read(t, render(t, a), "s")
		if d := cmp.Diff(want, inJSON); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(want, inTOML); d != "" {
			t.Error(d)
		}
	})
}

// The turn of the runner's own harness counts, that of one that the agent starts does not.
func TestTurnHookTellsHarnesses(t *testing.T) {
	for name, c := range map[string]struct {
		command string // $hook is what the harness runs as `sh -c`
		want    bool
	}{
		"harness":               {`sh -c 'sh -c "$hook"; :'; :`, true},
		"harness of a wrapper":  {`sh -c 'sh -c "sh -c \"\$hook\"; :"; :'; :`, true},
		"harness of an agent's": {`sh -c 'sh -c "sh -c \"sh -c \\\"\\\$hook\\\"; :\"; :"; :'; :`, false},
	} {
		own := t.TempDir()
		cmd := exec.Command("sh", "-c", "FLEET_PID=$$; export FLEET_PID; "+c.command)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "FLEET_OWN=" + own, "hook=" + turn}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		if _, err := os.Stat(own + "/turn"); (err == nil) != c.want {
			t.Errorf("%s: turn is over: %v, want %v", name, err == nil, c.want)
		}
	}
}

// Outside of a runner the hooks do nothing and fail nothing.
func TestHooksOutsideARunner(t *testing.T) {
	for _, command := range []string{beat, turn, turnFailed} {
		cmd := exec.Command("sh", "-c", command)
		cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin"}, t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", command, err, out)
		}
	}
}

func gitReads(t *testing.T, config, key string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "config", "-f", file, "-z", key).Output()
	if err != nil {
		t.Fatalf("git reads %s of %q: %v", key, config, err)
	}
	return strings.TrimSuffix(string(out), "\x00")
}

func TestGitReadsWhatWasMeant(t *testing.T) {
	for _, name := range []string{"Atlas", `O'Brien "Bobby" $(id) \ %n`, " blank ", "a # b ; c", "tab\tx", "ünï", "[user]", `end\`} {
		a := claudeAgent()
		a.Git = fleet.Git{Name: name, Email: name + "@example.org", Signing: true}
		config := render(t, a)["gitconfig"]
		for key, want := range map[string]string{"user.name": name, "user.email": name + "@example.org", "commit.gpgsign": "true", "gpg.format": "ssh"} {
			if got := gitReads(t, config, key); got != want {
				t.Errorf("%s: git reads %q, want %q", key, got, want)
			}
		}
	}
}

func TestGitRefusesControlCharacters(t *testing.T) {
	for _, name := range []string{"a\nb", "a\x00b", "a\rb", "a\x1bb"} {
		a := claudeAgent()
		a.Git.Name = name
		if _, err := artifacttest.Files(Render, &model.Fleet{Agents: []model.Agent{a}}, artifact.NewTree()); err == nil {
			t.Errorf("%q: accepted", name)
		}
	}
}

// FuzzGitConfig: no value adds a section or a key.
func FuzzGitConfig(f *testing.F) {
	f.Add("Atlas", "atlas@example.org")
	f.Add("\"\n[core]\n\thooksPath = /tmp", `x\"`)
	f.Fuzz(func(t *testing.T, name, email string) {
		a := claudeAgent()
		a.Git = fleet.Git{Name: name, Email: email}
		text, err := gitConfig(&a)
		if err != nil {
			return
		}
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) != 4 || lines[1] != "[user]" || !closed(lines[2]) || !closed(lines[3]) {
			t.Errorf("%q, %q give %q", name, email, text)
		}
	})
}

// closed says whether a line holds one quoted value that ends with the line.
func closed(line string) bool {
	_, value, found := strings.Cut(line, ` = "`)
	for i := 0; found && i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return i == len(value)-1
		}
	}
	return false
}
