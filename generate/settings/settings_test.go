package settings

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"mvdan.cc/sh/v3/syntax"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

func claudeAgent() model.Agent {
	return model.Agent{
		Key: "lead", User: "demo-lead", Enabled: true, Instructions: "# Atlas\n",
		Harness:     model.Harness{Name: "claude-code", Settings: "claude-code", Env: map[string]string{"DISABLE_AUTOUPDATER": "1"}},
		Permissions: fleet.Permissions{Mode: "bypassPermissions", Deny: []string{`Bash(rm "x" <y>)`}},
		Git:         fleet.Git{Name: "Atlas", Email: "atlas@example.org"},
	}
}

func render(t testing.TB, a model.Agent) map[string]string {
	t.Helper()
	m := &model.Fleet{Project: "demo", Agents: []model.Agent{a}, Retention: model.Retention{Transcripts: 36 * time.Hour}}
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
		want, err := os.ReadFile(filepath.Join("testdata", name))
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
	a.Harness.Settings = "none"
	if text, there := render(t, a)["settings.json"]; there {
		t.Errorf("got %s", text)
	}
	a.Enabled = false
	if got := render(t, a); len(got) != 0 {
		t.Errorf("a disabled agent has %v", got)
	}
}

// The hooks are commands for sh.
func TestHooksParse(t *testing.T) {
	var s claudeSettings
	if err := json.Unmarshal([]byte(render(t, claudeAgent())["settings.json"]), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Hooks) == 0 {
		t.Fatal("no hooks")
	}
	for event, hooks := range s.Hooks {
		for _, c := range hooks[0].Hooks {
			if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(c.Command), event); err != nil {
				t.Error(err)
			}
		}
	}
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
