package runner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/fleet"
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
	chat   artifact.File
}

func newAgent(m *model.Fleet, a *model.Agent, faults *report.Report) *agent {
	out := &agent{Agent: a, m: m, faults: faults, tmux: artifact.Text(artifact.Path(a.File("tmux.conf")), tmuxText)}
	out.chat = out.chatScript()
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
	out := append([]artifact.File{a.run(), a.tmux, a.chat}, a.hooks...)
	for i := range a.Schedules {
		out = append(out, a.job(&a.Schedules[i]))
	}
	if len(a.Harness.Login) > 0 {
		out = append(out, a.login())
	}
	return append(out, a.home...)
}

// login is the script of the harness's own login.
func (a *agent) login() artifact.File {
	h := newHeader("agents."+a.Key, a.faults)
	h.set("key", "records", a.m.AgentRecords(a.Key))
	h.set("key", "home", a.Home())
	argv := a.commandLine(a.Harness.Login)
	h.set("harness.login", "program", argv[0])
	h.lines("harness.login", "argv", argv)
	h.set("harness", "instructions", a.Harness.Instructions)
	h.table("harness.home", "files", a.homeRows())
	h.tools([]artifact.File{furnishScript})
	return h.script(artifact.Path(a.File("login")), loginBody)
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
	title     string // of what it tells in the chat
	notify    string
	notifyKey string
	schedule  *model.Schedule // nil where it is no job
}

func (a *agent) run() artifact.File {
	t := task{
		kind: "session", mode: a.Mode, argv: a.Harness.Interactive, resume: a.Harness.Resume, prompt: a.Prompt,
		promptKey: "prompt", session: a.Session, title: "Session", notify: a.Notify, notifyKey: "notify",
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
		session: s.Session, title: "Job " + s.Name + ", session", notify: s.Notify,
		notifyKey: "schedules." + s.Name + ".notify", schedule: s,
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
	a.bounds(h, t)
	h.set("key", "title", t.title)
	h.set(t.notifyKey, "notify", t.notify)
	if t.schedule != nil {
		a.turn(h, t.schedule)
	} else {
		a.loop(h, t)
	}
	h.table("hooks", "hooks", a.hookRows())
	h.table("harness.home", "files", a.homeRows())
	h.table("secrets", "exposed", a.exposedRows())
	h.set("tmux", "tmux_conf", a.tmux.StorePath())
	h.set("chat", "tool_chat", a.chat.StorePath())
	h.tools(tools)
	h.set(t.promptKey, "prompt", t.prompt) // last: it may be long
	if t.schedule != nil {
		return h.script(p, jobBody, runBody)
	}
	return h.script(p, loopBody, runBody)
}

// chatScript is by what the runner and hooks speak in the chat.
func (a *agent) chatScript() artifact.File {
	var program, socket, calls string
	if a.m.Chats(a.Agent) {
		program, socket, calls = model.InsideChat, a.m.ChatStdio(a.Key), a.m.WakeDir(a.Key)
	}
	h := newHeader("agents."+a.Key, a.faults)
	h.set("chat", "chat", program)
	h.set("key", "socket", socket)
	h.set("key", "records", a.m.AgentRecords(a.Key))
	h.set("key", "calls", calls)
	return h.script(artifact.Path(a.File("chat")), chatBody)
}

// turn writes what decides when it is a job's turn. Its times are told to one that must know which it has run through;
// the script of any other stays the same when they change.
func (a *agent) turn(h *header, s *model.Schedule) {
	overlap, every, events := "queue", time.Duration(0), []string(nil)
	if s.Skip {
		overlap, every, events = "skip", s.Every, s.Calendar
	}
	h.set("schedules", "overlap", overlap)
	h.seconds("patience", a.JobPatience())
	h.seconds("every", every)
	h.lines("schedules", "events", events)
	h.tools([]artifact.File{dueScript})
}

func (a *agent) folders(h *header) {
	h.set("key", "run", a.m.AgentRun(a.Key))
	h.set("key", "records", a.m.AgentRecords(a.Key))
	h.set("key", "home", a.Home())
}

// bounds are those of every session.
func (a *agent) bounds(h *header, t task) {
	h.seconds("session", t.session)
	h.number("keep", int(a.m.Retention.Transcripts/time.Minute))
	h.number("keep_jobs", int(a.m.Retention.Jobs/time.Minute))
	cost := ""
	if a.Limits.CostPerDay > 0 {
		cost = strconv.FormatFloat(a.Limits.CostPerDay, 'f', -1, 64)
	}
	h.set("limits.costPerDay", "cost", cost)
}

// loop writes what is between sessions: pauses, and answers to people in the chat, which are headless sessions.
func (a *agent) loop(h *header, t task) {
	h.seconds("day", a.Iteration.Day)
	h.seconds("night", a.Iteration.Night)
	h.set("iteration.from", "from", strings.ReplaceAll(a.Iteration.From, ":", ""))
	h.set("iteration.to", "to", strings.ReplaceAll(a.Iteration.To, ":", ""))
	h.set("iteration.timezone", "timezone", a.Iteration.Timezone)
	h.lines("harness", "resume", a.commandLine(t.resume))
	var calls string
	var talk, again []string
	if a.m.Chats(a.Agent) {
		calls, talk, again = a.m.WakeDir(a.Key), a.commandLine(a.Harness.Headless), a.commandLine(a.Harness.ResumeTalk)
	}
	h.set("key", "calls", calls)
	h.lines("harness.headless", "talk", talk)
	h.lines("harness.resumeTalk", "talk_again", again)
	h.lines("harness.sessionName", "session_name", saidLines(a.Harness.SessionName))
	h.tools([]artifact.File{delayScript})
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
	h.lines("harness.turnFailed", "turn_failed", failedLines(a.Harness.TurnFailed))
	h.lines("harness.result", "report", reportLines(a.Harness.Result))
	h.lines("harness.message", "message", saidLines(a.Harness.Message))
	h.lines("harness.limits", "limits", limitLines(a.Harness.Limits))
	h.lines("harness", "argv", argv)
	h.set("harness", "instructions", a.Harness.Instructions)
}

// reportLines are what libexec/usage wants to know: nothing where the harness tells nothing.
func reportLines(r *fleet.Result) []string {
	if r == nil {
		return nil
	}
	which := "last"
	if r.Sum {
		which = "all"
	}
	return []string{which, r.Line, strings.Join(r.Input, " "), strings.Join(r.Output, " "), strings.Join(r.Cost, " ")}
}

// saidLines are the form of what libexec/said finds: nothing where it is not said in JSON.
func saidLines(s *fleet.Said) []string {
	switch {
	case s == nil:
		return nil
	case s.Joined:
		return []string{s.Line, s.Key, "joined"}
	}
	return []string{s.Line, s.Key, "last"}
}

// failedLines are what libexec/session looks for, one a line.
func failedLines(all []model.TurnFailed) []string {
	var out []string
	for _, f := range all {
		still := "-"
		if f.Still > 0 {
			still = strconv.Itoa(int(f.Still / time.Second))
		}
		out = append(out, still+" "+f.Match)
	}
	return out
}

// limitLines are what libexec/limit looks for, one a line.
func limitLines(limits []fleet.UsageLimit) []string {
	var out []string
	for _, l := range limits {
		out = append(out, l.Until+" "+cmp.Or(l.Zone, "-")+" "+l.Match)
	}
	return out
}

// commandLine fills in what is known before a session; the prompt is left to the runner.
func (a *agent) commandLine(argv []string) []string {
	fill := strings.NewReplacer("{{settings}}", a.Harness.ManagedDir(), "{{mcp}}", a.serversFile())
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
	if len(a.Calls) == 0 {
		return ""
	}
	return model.InsideMCP
}
