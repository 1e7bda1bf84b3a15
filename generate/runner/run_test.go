//go:build linux

package runner

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/model"
	"fleet/schemas/session"
)

// one is a fleet of one agent with the demo harness.
func one(mode string, change ...func(*model.Agent)) *model.Fleet {
	a := model.Agent{
		Key: "lead", User: "demo-lead", Enabled: true, Mode: mode, Session: time.Minute, Prompt: "Work.",
		Iteration: model.Iteration{Day: time.Hour},
		Harness: model.Harness{
			Name: "demo", Interactive: []string{"demo", "--", "{{prompt}}"}, Headless: []string{"demo", "--headless", "--", "{{prompt}}"},
			Instructions: "INSTRUCTIONS.md", Result: claudeResult, Message: claudeMessage, Limits: claudeLimits, TurnEnd: "exit",
		},
		Hooks: map[string]model.Hook{},
	}
	for _, f := range change {
		f(&a)
	}
	return &model.Fleet{
		Project: "demo", Agents: []model.Agent{a}, Retention: model.Retention{Transcripts: time.Hour, Jobs: time.Hour},
		Watchdog: model.Watchdog{StalledRuns: 2, AlertAfter: 2, DeniedAlert: 50}, Operators: "root",
	}
}

func prompt(text string) func(*model.Agent) { return func(a *model.Agent) { a.Prompt = text } }

func hook(name, script string) func(*model.Agent) {
	return func(a *model.Agent) { a.Hooks[name] = model.Hook{Script: script, Timeout: 10 * time.Second} }
}

// bare is what a record holds but for its times.
func bare(r session.Record) session.Record {
	r.Start, r.End = time.Time{}, time.Time{}
	return r
}

func TestSession(t *testing.T) {
	for _, mode := range []string{"headless", "interactive"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newHost(t, one(mode, prompt("Work on `x`, it's $HOME.\n\"Two\" lines."))).start()
			p.until("a pause", func() bool { return p.now().State == session.Pausing })
			want := session.Record{N: 1, Kind: session.KindSession, Result: session.OK}
			if mode == "headless" {
				want.TokensIn, want.TokensOut = 7, 42
			}
			if d := cmp.Diff([]session.Record{want}, []session.Record{bare(p.sessions()[0])}); d != "" {
				t.Error(d)
			}
			log := p.read(p.records("sessions/1.log"))
			for _, text := range []string{"    | Work on `x`, it's $HOME.\n    | \"Two\" lines.", "    | Be kind.", "I am lead of demo, session 1", "I am done."} {
				if !strings.Contains(log, text) {
					t.Errorf("no %q in the transcript:\n%s", text, log)
				}
			}
			if link, _ := os.Readlink(p.at(p.m.Agents[0].Home() + "/INSTRUCTIONS.md")); link != p.at("/etc/fleet/instructions.md") {
				t.Errorf("instructions: %q", link)
			}
			if p.exists(p.own("session")) || !p.exists(p.own("beat")) {
				t.Error("in a pause there is a heartbeat and no session")
			}
			if code := p.stop(); code != 0 {
				t.Errorf("exit status %d\n%s", code, p.out.String())
			}
			if p.exists(p.own("status")) {
				t.Error("the status line outlives the runner")
			}
		})
	}
}

func TestTermEndsTheSession(t *testing.T) {
	for _, mode := range []string{"headless", "interactive"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newHost(t, one(mode, prompt("demo: sleep 500"), hook("onCleanup", "touch ../cleaned"))).start()
			p.until("work", func() bool {
				return p.now().State == session.Working && p.exists(p.m.Agents[0].Home()+"/work/journal.txt")
			})
			if link, _ := os.Readlink(p.at(p.own("session"))); link != "1" {
				t.Errorf("session is %q", link)
			}
			begin := time.Now()
			if code := p.stop(); code != 0 || time.Since(begin) > 15*time.Second {
				t.Errorf("exit status %d after %v\n%s", code, time.Since(begin), p.out.String())
			}
			if got := p.sessions(); len(got) != 1 || got[0].Result != session.Ended {
				t.Errorf("records: %+v", got)
			}
			if !p.exists(p.m.Agents[0].Home() + "/cleaned") {
				t.Error("onCleanup has not run")
			}
		})
	}
}

// A stop is heard wherever the runner waits: in a hook, in a pause and for a job. None of it is a failure.
func TestTermIsHeardEverywhere(t *testing.T) {
	slow := func(name string) func(*model.Agent) { return hook(name, "touch ../slow; sleep 9; touch ../late") }
	for name, c := range map[string]struct {
		change  []func(*model.Agent)
		ready   func(*process) bool
		results []string
	}{
		"setup":  {[]func(*model.Agent){slow("setup")}, slowly, []string{session.Ended}},
		"before": {[]func(*model.Agent){slow("before")}, slowly, []string{session.Ended}},
		"pause":  {nil, func(p *process) bool { return p.now().State == session.Pausing }, []string{session.OK}},
		"lock":   {nil, func(p *process) bool { return p.now().State == session.Waiting }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, one("headless", append(c.change, hook("onCleanup", `touch "$HOME/cleaned"`))...))
			if name == "lock" {
				holdLock(t, h)
			}
			p := h.start()
			p.until("what is to be ended", func() bool { return c.ready(p) })
			begin := time.Now()
			if code := p.stop(); code != 0 || time.Since(begin) > 7*time.Second {
				t.Errorf("exit status %d after %v\n%s", code, time.Since(begin), p.out.String())
			}
			var got []string
			for _, r := range p.sessions() {
				got = append(got, r.Result)
			}
			if d := cmp.Diff(c.results, got); d != "" {
				t.Error(d)
			}
			home := p.m.Agents[0].Home()
			if p.exists(home+"/late") || !p.exists(home+"/cleaned") || strings.Contains(p.out.String(), "failed") {
				t.Errorf("not ended well\n%s", p.out.String())
			}
		})
	}
}

func slowly(p *process) bool { return p.exists(p.m.Agents[0].Home() + "/slow") }

// holdLock holds the lock between an agent's sessions and jobs until it is released, or the test ends.
func holdLock(t *testing.T, h *host) (release func()) {
	t.Helper()
	lock, err := os.Create(h.at(h.own("lock")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { lock.Close() }
}

// The end flag ends the runner at its iteration boundary, and a pause at once.
func TestEndFlag(t *testing.T) {
	t.Parallel()
	p := newHost(t, one("headless", prompt("demo: sleep 3"))).start()
	p.until("work", func() bool { return p.now().State == session.Working })
	p.write(p.m.EndFlag("lead"), "")
	if code := p.ended(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if got := p.sessions(); len(got) != 1 || got[0].Result != session.OK {
		t.Errorf("the session was not let end: %+v", got)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	h := newHost(t, one("headless", prompt("demo: sleep 500"), func(a *model.Agent) { a.Session = 2 * time.Second }, hook("onFailure", "echo $FLEET_RESULT >../why")))
	p := h.start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if got := p.sessions()[0]; got.Result != session.Timeout || got.End.Sub(got.Start) > 14*time.Second {
		t.Errorf("record: %+v", got)
	}
	if why := p.read("/home/demo-lead/why"); why != "timeout\n" {
		t.Errorf("onFailure: %q", why)
	}
	p.stop()
}

// A failed session is tried again after ten seconds, then twenty; a queued prompt ends the pause.
func TestFailureBacksOffAndQueueWakes(t *testing.T) {
	t.Parallel()
	p := newHost(t, one("headless", prompt("demo: exit 3"))).start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if got := bare(p.sessions()[0]); got.Result != session.Failed || got.Exit != 3 {
		t.Errorf("record: %+v", got)
	}
	if wait := time.Until(p.now().At); wait < 5*time.Second || wait > 11*time.Second {
		t.Errorf("first pause: %v", wait)
	}
	p.write(p.m.AgentRun("lead")+"/queue/000017", "Queued: it's \"urgent\".\n")
	p.until("the queued prompt", func() bool { return len(p.sessions()) >= 2 })
	want := session.Record{N: 2, Kind: session.KindSession, Prompt: 17, Result: session.OK, TokensIn: 3, TokensOut: 42}
	if d := cmp.Diff(want, bare(p.sessions()[1])); d != "" {
		t.Error(d)
	}
	if log := p.read(p.records("sessions/2.log")); !strings.Contains(log, `| Queued: it's "urgent".`) {
		t.Errorf("transcript: %s", log)
	}
	if got := strings.TrimSpace(p.read(p.records("queue"))); got != "000017" {
		t.Errorf("last number %q", got)
	}
	p.stop()
}

// Root may remove a prompt as soon as it is taken, which is before the hook and the harness start.
func TestQueuedPromptIsTaken(t *testing.T) {
	t.Parallel()
	h := newHost(t, one("headless", hook("before", "rm -f "+strconv.Quote("$FLEET_OWN/../queue/000001"))))
	h.write(h.m.AgentRun("lead")+"/queue/000001", "Queued.")
	p := h.start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if log := p.read(p.records("sessions/1.log")); !strings.Contains(log, "| Queued.") {
		t.Errorf("transcript: %s", log)
	}
	p.stop()
}

// What an agent left in its folder in /run does not hold up the next start.
func TestStartsWhateverIsLeft(t *testing.T) {
	t.Parallel()
	h := newHost(t, one("headless"))
	for _, name := range []string{"beat", "lock", "status", "outcome", "exit"} {
		if err := syscall.Mkfifo(h.at(h.own(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"session", "problem"} {
		if err := os.Symlink("12", h.at(h.own(name))); err != nil {
			t.Fatal(err)
		}
	}
	p := h.start()
	p.until("a record", func() bool { return len(p.sessions()) == 1 && !p.exists(p.own("session")) })
	if p.exists(p.own("session")) || p.exists(p.own("problem")) {
		t.Error("signs of the run before are left")
	}
	p.stop()
}

func TestMissingHarness(t *testing.T) {
	t.Parallel()
	p := newHost(t, one("interactive", func(a *model.Agent) { a.Harness.Program = "no-such-harness" })).start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if link, _ := os.Readlink(p.at(p.own("problem"))); link != "harness" {
		t.Errorf("problem is %q", link)
	}
	if got := p.sessions(); len(got) != 1 || got[0].Result != session.Failed {
		t.Errorf("records: %+v", got)
	}
	p.stop()
}

func TestHooks(t *testing.T) {
	t.Parallel()
	h := newHost(t, one("headless", hook("setup", "echo setup >>../hooks"), hook("before", "echo before $FLEET_SESSION >>../hooks"),
		hook("after", "echo after $FLEET_RESULT >>../hooks"), func(a *model.Agent) { a.Iteration.Day = time.Second }))
	p := h.start()
	p.until("two sessions", func() bool { return len(p.sessions()) >= 2 && p.now().State == session.Pausing })
	p.stop()
	got := p.read("/home/demo-lead/hooks")
	if want := "setup\nbefore 1\nafter ok\nbefore 2\nafter ok\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
}

// Where before fails there is no session.
func TestHookBeforeRefuses(t *testing.T) {
	t.Parallel()
	p := newHost(t, one("headless", hook("before", "exit 1"))).start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if got := p.sessions()[0]; got.Result != session.Failed || p.exists(p.records("sessions/1.log")) {
		t.Errorf("record: %+v", got)
	}
	p.stop()
}

// A home that is gone, and files where folders should be, give a failure and a pause, no hot loop.
func TestVanishedHome(t *testing.T) {
	t.Parallel()
	h := newHost(t, one("headless"))
	os.RemoveAll(h.at("/home/demo-lead"))
	h.write("/home/demo-lead", "")
	p := h.start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	time.Sleep(3 * time.Second)
	if link, _ := os.Readlink(p.at(p.own("problem"))); link != "workspace" || len(p.sessions()) != 1 {
		t.Errorf("problem %q, %d sessions in three seconds", link, len(p.sessions()))
	}
	p.stop()
}

func TestUsageLimit(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(3 * time.Hour).Unix()
	text := "demo: print Claude AI usage limit reached|" + strconv.FormatInt(until, 10) + "\ndemo: exit 1"
	p := newHost(t, one("headless", prompt(text))).start()
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if got := p.sessions()[0].Result; got != session.Limit {
		t.Errorf("result %s", got)
	}
	if link, _ := os.Readlink(p.at(p.own("problem"))); link != "limit-"+strconv.FormatInt(until, 10) {
		t.Errorf("problem %q", link)
	}
	if got := p.now().At.Unix(); got < until-2 || got > until+2 {
		t.Errorf("pauses until %d, limit is %d", got, until)
	}
	p.stop()
}

// Whatever the agent puts where the runner keeps its numbers, it only harms itself, and no line of it is run.
func TestHostileRecords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"08", "x[$(touch pwned)]", "99999999999999999999"} {
		h := newHost(t, one("headless"))
		for _, name := range []string{"number", "queue"} {
			h.write(h.records(name), text+"\n")
		}
		p := h.start()
		p.until("a pause", func() bool { return p.now().State == session.Pausing })
		if got := p.sessions(); len(got) != 1 || got[0].N != 1 {
			t.Errorf("%q: %+v", text, got)
		}
		p.stop()
	}
}
