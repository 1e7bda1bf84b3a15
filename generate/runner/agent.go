package runner

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// agent makes the scripts of one agent.
type agent struct {
	*model.Agent
	m      *model.Fleet
	faults *report.Report
	hooks  []artifact.File
	home   []artifact.File
	tmux   artifact.File
}

func newAgent(m *model.Fleet, a *model.Agent, faults *report.Report) *agent {
	out := &agent{Agent: a, m: m, faults: faults, tmux: artifact.Text(artifact.Path(a.File("tmux.conf")), tmuxText)}
	for _, name := range slices.Sorted(maps.Keys(a.Hooks)) {
		out.hooks = append(out.hooks, hookFile(a, name))
	}
	for i, name := range homeNames(a) {
		p := artifact.Path(a.File(fmt.Sprintf("home/home-%d", i+1)))
		out.home = append(out.home, artifact.Text(p, homeText(a, a.Harness.Home[name])))
	}
	return out
}

func (a *agent) files() []artifact.File {
	out := append([]artifact.File{a.run(), a.tmux}, a.hooks...)
	for i := range a.Schedules {
		out = append(out, a.job(&a.Schedules[i]))
	}
	return append(out, a.home...)
}

// task is what differs between an agent's loop and a job.
type task struct {
	kind, job string
	mode      string
	argv      []string
	resume    []string
	prompt    string
	promptKey string // in the spec, below the agent
	session   time.Duration
	keep      time.Duration
	patience  time.Duration // how long a job waits for the session in progress
}

func (a *agent) run() artifact.File {
	t := task{
		kind: "session", mode: a.Mode, argv: a.Harness.Interactive, resume: a.Harness.Resume, prompt: a.Prompt,
		promptKey: "prompt", session: a.Session, keep: a.m.Retention.Transcripts,
	}
	if a.Mode == "headless" {
		t.argv, t.resume = a.Harness.Headless, nil
	}
	return a.script(artifact.Path(a.File("run")), t)
}

func (a *agent) job(s *model.Schedule) artifact.File {
	key := "schedules." + s.Name + ".prompt"
	return a.script(artifact.Path(a.File("jobs/"+s.Name)), task{
		kind: "job", job: s.Name, mode: "headless", argv: a.Harness.Headless, prompt: s.Prompt, promptKey: key,
		session: s.Session, keep: a.m.Retention.Jobs, patience: a.JobPatience(),
	})
}

func (a *agent) script(p artifact.Path, t task) artifact.File {
	h := newHeader("agents."+a.Key, a.faults)
	h.set("kind", "kind", t.kind)
	h.set("project", "project", a.m.Project)
	h.set("key", "key", a.Key)
	h.set("schedules", "job", t.job)
	a.folders(h)
	a.harness(h, t)
	a.times(h, t)
	h.table("hooks", "hooks", a.hookRows())
	h.table("harness.home", "files", a.homeRows())
	h.table("secrets", "exposed", a.exposedRows())
	h.set("tmux", "tmux_conf", a.tmux.StorePath())
	h.tools(tools)
	h.set(t.promptKey, "prompt", t.prompt) // last: it may be long
	return h.script(p, runBody)
}

func (a *agent) folders(h *header) {
	h.set("key", "run", a.m.AgentRun(a.Key))
	h.set("key", "records", a.m.AgentRecords(a.Key))
	h.set("key", "home", a.Home())
}

func (a *agent) times(h *header, t task) {
	h.seconds("session", t.session)
	h.seconds("patience", t.patience)
	h.number("keep", int(t.keep/time.Minute))
	h.seconds("day", a.Iteration.Day)
	h.seconds("night", a.Iteration.Night)
	h.set("iteration.from", "from", strings.ReplaceAll(a.Iteration.From, ":", ""))
	h.set("iteration.to", "to", strings.ReplaceAll(a.Iteration.To, ":", ""))
	h.set("iteration.timezone", "timezone", a.Iteration.Timezone)
}

func (a *agent) harness(h *header, t task) {
	argv := a.commandLine(t.argv)
	program := a.Harness.Program
	if program == "" && len(argv) > 0 {
		program = argv[0]
	}
	h.set("harness", "program", program)
	h.set("mode", "mode", t.mode)
	h.set("harness", "turn_end", a.Harness.TurnEnd)
	h.set("harness", "report", a.Harness.Result)
	h.lines("harness", "argv", argv)
	h.lines("harness", "resume", a.commandLine(t.resume))
	instructions := a.Harness.Instructions
	if a.Harness.ManagedDir() != "" {
		instructions = "" // the unit binds them there
	}
	h.set("harness", "instructions", instructions)
}

// commandLine fills in what is known before a session; the prompt is left to the runner.
func (a *agent) commandLine(argv []string) []string {
	fill := strings.NewReplacer("{{settings}}", a.settingsFile(), "{{mcp}}", a.serversFile())
	var out []string
	for i, item := range argv {
		if i == 0 && item == "demo" && a.Harness.Name == "demo" {
			item = demoScript.StorePath()
		}
		out = append(out, fill.Replace(item))
	}
	return out
}

// serversFile says where the agent's sidecars are, "" where it has none.
func (a *agent) serversFile() string {
	if len(a.m.Callable(a.Key)) == 0 {
		return ""
	}
	return model.InsideMCP
}

// settingsFile is the path of the managed settings as the harness sees it, "" where there are none.
func (a *agent) settingsFile() string {
	if dir := a.Harness.ManagedDir(); dir != "" {
		return path.Join(dir, "managed-settings.json")
	}
	return ""
}
