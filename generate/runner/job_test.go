//go:build linux

package runner

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/model"
	"fleet/schemas/session"
)

// A job and a session of the agent are never at the same time, and a job waits for the session's end.
func TestJobWaitsForTheSession(t *testing.T) {
	t.Parallel()
	m := one("headless", prompt("demo: sleep 4"))
	m.Agents[0].Schedules = []model.Schedule{{Name: "nightly", Prompt: "At night.", Session: time.Minute}}
	p := newHost(t, m).start()
	p.until("work", func() bool { return p.now().State == session.Working })
	if out, err := p.command("jobs/nightly").CombinedOutput(); err != nil {
		t.Errorf("job: %v\n%s", err, out)
	}
	got := p.sessions()
	if len(got) != 2 || got[0].Kind != session.KindSession || got[1].Job != "nightly" || got[1].N != 2 || got[1].Result != session.OK {
		t.Fatalf("records: %+v", got)
	}
	if got[1].Start.Before(got[0].End) {
		t.Errorf("the job began at %v, the session ended at %v", got[1].Start, got[0].End)
	}
	if log := p.read(p.records("jobs/2.log")); !strings.Contains(log, "| At night.") {
		t.Errorf("transcript: %s", log)
	}
	p.stop()
}

func TestJobFailsAndIsSkipped(t *testing.T) {
	t.Parallel()
	m := one("headless", prompt("demo: sleep 60"), func(a *model.Agent) { a.Session = time.Second })
	m.Agents[0].Schedules = []model.Schedule{{Name: "bad", Prompt: "demo: exit 4", Session: time.Minute}}
	h := newHost(t, m)
	if err := h.command("jobs/bad").Run(); err == nil {
		t.Error("a failed job must fail its unit")
	}
	if got := h.sessions(); len(got) != 1 || got[0].Result != session.Failed || got[0].Exit != 4 {
		t.Errorf("records: %+v", got)
	}
	holdLock(t, h)
	e, _ := h.tree.Entry("agents/lead/jobs/bad")
	store := e.StorePath()
	patience := fmt.Sprintf("patience='%d'", m.Agents[0].JobPatience()/time.Second)
	h.write(store, strings.Replace(h.read(store), patience, "patience='1'", 1))
	if out, err := h.command("jobs/bad").CombinedOutput(); err != nil {
		t.Errorf("a skipped job is no failure: %v\n%s", err, out)
	}
	if got := h.sessions(); len(got) != 2 || got[1].Result != session.Skipped {
		t.Errorf("records: %+v", got)
	}
}

// scheduled is a host whose agent has one job; nothing of it runs.
func scheduled(t *testing.T, s model.Schedule, change ...func(*model.Agent)) *host {
	t.Helper()
	s.Name, s.Session = "job", time.Minute
	change = append(change, func(a *model.Agent) { a.Schedules = []model.Schedule{s} })
	return newHost(t, one("headless", change...))
}

// byTimer starts the job as its timer does.
func (h *host) byTimer() *exec.Cmd {
	cmd := h.command("jobs/job")
	cmd.Env = append(cmd.Env, "TRIGGER_UNIT=fleet-demo-lead-job-job.timer")
	return cmd
}

func (h *host) must(cmd *exec.Cmd) {
	h.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
}

func (h *host) results() []string {
	var out []string
	for _, r := range h.sessions() {
		out = append(out, r.Result)
	}
	return out
}

// A job that does not wait is left out while the agent is busy, whoever starts it.
func TestJobSkipsTheBusyAgent(t *testing.T) {
	t.Parallel()
	h := scheduled(t, model.Schedule{Prompt: "Work.", Skip: true, Every: time.Hour})
	release := holdLock(t, h)
	h.must(h.byTimer())
	h.must(h.command("jobs/job"))
	release()
	h.must(h.command("jobs/job"))
	if d := cmp.Diff([]string{session.Skipped, session.Skipped, session.OK}, h.results()); d != "" {
		t.Error(d)
	}
}

// For a time that came while the job itself ran, the timer starts it as soon as that run has ended: one that waits runs,
// one that skips does not. A person may start it at any time.
func TestJobSkipsWhatCameDuringItself(t *testing.T) {
	t.Parallel()
	yearly := []string{"*-01-01 00:00:00 UTC"}
	for _, c := range []struct {
		name     string
		schedule model.Schedule
		hand     bool
		want     string
	}{
		{"calendar", model.Schedule{Skip: true, Calendar: yearly}, false, session.Skipped},
		{"one of two has come", model.Schedule{Skip: true, Calendar: append(yearly, "*-*-* *:*:00")}, false, session.OK},
		{"by hand", model.Schedule{Skip: true, Calendar: yearly}, true, session.OK},
		{"waits", model.Schedule{Calendar: yearly}, false, session.OK},
		{"every", model.Schedule{Skip: true, Every: 5 * time.Minute}, false, session.Skipped},
		{"every, long after", model.Schedule{Skip: true, Every: time.Hour}, false, session.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := scheduled(t, c.schedule)
			end := time.Now().Add(-90 * time.Second).UTC() // over a full minute
			h.write(h.records("sessions.jsonl"), fmt.Sprintf(`{"n":1,"kind":"job","job":"job","start":"%s","end":"%s","result":"ok","exit":0}`+"\n",
				end.Add(-10*time.Minute).Format(time.RFC3339), end.Format(time.RFC3339)))
			cmd := h.byTimer()
			if c.hand {
				cmd = h.command("jobs/job")
			}
			h.must(cmd)
			if got := h.results(); len(got) != 2 || got[1] != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

// kill ends all processes of this host at once, which know it by a variable.
func (h *host) kill() {
	mine := []byte("FLEET_OWN=" + h.at(h.m.AgentOwn("lead")) + "\x00")
	for again := true; again; {
		again = false
		all, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, name := range all {
			env, _ := os.ReadFile(name)
			if pid, err := strconv.Atoi(strings.Split(name, "/")[2]); err == nil && bytes.Contains(env, mine) {
				again = syscall.Kill(pid, syscall.SIGKILL) == nil || again
			}
		}
	}
}

// A run that is killed has a record all the same, once; so has one whose host went down.
func TestLostJobIsRecorded(t *testing.T) {
	t.Parallel()
	h := scheduled(t, model.Schedule{Prompt: "demo: sleep 300"})
	cmd := h.byTimer()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun := func() bool {
		b, _ := os.ReadFile(h.at(h.records("jobs/1.log")))
		return strings.Contains(string(b), "I wait for 300 s.")
	}
	for range 300 {
		if begun() {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	cmd.Process.Kill() //nolint:errcheck // first the runner, which would record it
	h.kill()
	cmd.Wait() //nolint:errcheck // it was killed
	if got := h.results(); len(got) > 0 {
		t.Fatalf("before its end is seen there are %v", got)
	}
	for range 2 {
		end := h.command("jobs/job", "end")
		end.Env = append(end.Env, "SERVICE_RESULT=signal")
		h.must(end)
	}
	h.write(h.records("running-job"), "7 2026-01-02T03:04:05Z\n")
	h.write(h.records("running-other"), "8 2026-01-02T03:04:05Z\n")
	e, _ := h.tree.Entry("agents/lead/jobs/job")
	h.write(e.StorePath(), strings.Replace(h.read(e.StorePath()), "sleep 300", "sleep 0", 1))
	h.must(h.byTimer())
	type short struct {
		N, Exit int
		Result  string
	}
	var got []short
	for _, r := range h.sessions() {
		got = append(got, short{r.N, r.Exit, r.Result})
	}
	want := []short{{1, 137, session.Failed}, {7, 137, session.Failed}, {2, 0, session.OK}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What an agent makes of the mark of a run is no command and no record that is not one.
func TestHostileMark(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1", "1 \"x", "x[$(touch pwned)] 2026", "1 2026-01-01T00:00:00Z \",\"kind\":\"session"} {
		h := scheduled(t, model.Schedule{Prompt: "Work."})
		h.write(h.records("running-job"), text+"\n")
		h.must(h.byTimer())
		if got := h.results(); len(got) == 0 || got[len(got)-1] != session.OK || len(got) > 2 {
			t.Errorf("%q: %v", text, got)
		}
		if h.exists("/pwned") || h.exists(h.m.Agents[0].Home()+"/work/pwned") {
			t.Errorf("%q was run", text)
		}
	}
}

// Hooks run around a job as around a session, and know its name.
func TestJobHooks(t *testing.T) {
	t.Parallel()
	write := func(name string) func(*model.Agent) {
		return hook(name, "echo "+name+" $FLEET_KIND $FLEET_JOB $FLEET_RESULT >>../hooks")
	}
	h := scheduled(t, model.Schedule{Prompt: "demo: print x"}, write("before"), write("after"), write("onFailure"))
	h.must(h.byTimer())
	e, _ := h.tree.Entry("agents/lead/jobs/job")
	h.write(e.StorePath(), strings.Replace(h.read(e.StorePath()), "demo: print x", "demo: exit 3", 1))
	if err := h.byTimer().Run(); err == nil {
		t.Error("a failed job must fail its unit")
	}
	want := "before job job failed\nafter job job ok\nbefore job job failed\nonFailure job job failed\n"
	if d := cmp.Diff(want, h.read(h.m.Agents[0].Home()+"/hooks")); d != "" {
		t.Error(d)
	}
	if text := h.read(h.records("jobs/1.txt")); text != "I have read \"3\" words.\nI am done." {
		t.Errorf("what it said at the end: %q", text)
	}
}

// When the costs of the day have reached their limit, the agent pauses until the next one, and jobs are left out.
func TestCostsOfTheDay(t *testing.T) {
	t.Parallel()
	limit := func(a *model.Agent) { a.Limits.CostPerDay, a.Iteration.Day = 5, time.Second }
	h := scheduled(t, model.Schedule{Prompt: "Work."}, prompt("demo: cost 2.5"), limit)
	yesterday := time.Now().UTC().Add(-24 * time.Hour).Format(time.RFC3339)
	h.write(h.records("sessions.jsonl"), fmt.Sprintf(`{"n":1,"kind":"session","start":"%s","end":"%s","result":"ok","exit":0,"costUSD":100}`+"\n",
		yesterday, yesterday))
	p := h.start()
	p.until("the pause", func() bool { return p.now().Result == session.Cost })
	want := []string{session.OK, session.OK} // of this day; what is older than the retention is gone
	if d := cmp.Diff(want, h.results()); d != "" {
		t.Errorf("before the pause: %s", d)
	}
	now := p.now()
	if h, m, s := now.At.UTC().Clock(); now.State != session.Pausing || h != 0 || m > 1 || now.At.Before(time.Now()) || s > 59 {
		t.Errorf("%+v", now)
	}
	if link, _ := os.Readlink(p.at(p.own("problem"))); !strings.HasPrefix(link, "cost-") {
		t.Errorf("problem %q", link)
	}
	h.must(h.byTimer())
	if d := cmp.Diff(append(want, session.Cost), h.results()); d != "" {
		t.Error(d)
	}
	p.stop()
}
