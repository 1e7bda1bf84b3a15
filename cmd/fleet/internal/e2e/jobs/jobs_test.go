//go:build machine

package jobs

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/session"
)

// team are agents of a shell: idle pauses all the time, busy is in a session that does not end, dear costs two
// dollars a day. Hooks say around which job they ran.
const team = `{
  harnesses: { sh: {
    headless: ['sh', '-c', '{{prompt}}'], turnEnd: 'exit',
    result: { line: '"cost"', input: ['in'], output: ['out'], cost: ['cost'] }, message: { line: '"cost"', key: 'said' },
  } },
  defaults+: { harness: 'sh', mode: 'headless', session: '10m' },
  agents: {
    local note(name) = { script: '#!/bin/sh\necho ' + name + ' $FLEET_JOB $FLEET_RESULT >>~/hooks\n' },
    local never = { ` + never + ` },
    idle: {
      prompt: 'true', hooks: { before: note('before'), after: note('after'), onFailure: note('onFailure') },
      schedules: {
        good: never { prompt: 'echo working; printf "%s\\n" \'{"in":700,"out":42,"cost":0.25,"said":"All is\\nwell."}\'' },
        bad: never { prompt: 'exit 3' },
        slow: never { prompt: 'touch ~/slow; sleep 3000' },
        first: never { prompt: 'touch ~/first; until [ -e ~/go ]; do sleep 1; done' },
        second: never { prompt: 'true' },
        third: never { prompt: 'true', overlap: 'skip' },
        often: { cron: '* * * * *', prompt: 'echo $$ >>~/often; sleep 65', overlap: 'skip' },
        missed: { calendar: '*-01-01', catchUp: true, prompt: 'touch ~/missed' },
        lost: { calendar: '*-01-01', prompt: 'touch ~/lost' },
      },
    },
    busy: {
      prompt: 'touch ~/busy; sleep 3000',
      schedules: { wait: never { prompt: 'true' }, skip: never { prompt: 'true', overlap: 'skip' } },
    },
    dear: {
      prompt: 'echo \'{"cost":1}\'', iteration: '1s', limits: { costPerDay: 2 }, schedules: { job: never { prompt: 'true' } },
    },
  },
}`

// What jobs do, on one machine.
func TestJobs(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.Switch(h.Build(e2e.Spec(team)))
	for _, c := range []struct {
		name string
		run  func(*host)
	}{
		{"records", (*host).recorded},
		{"hooks", (*host).hooked},
		{"busy agent", (*host).busy},
		{"one at a time", (*host).oneAtATime},
		{"killed", (*host).killed},
		{"costs of the day", (*host).costs},
		{"host was off", (*host).caughtUp},
		{"time within a run", (*host).within},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(h.on(t)) })
	}
}

// recorded: a run leaves tokens, cost, output and what was said at its end.
func (h *host) recorded() {
	h.has(h.fleet(0, "trigger", "idle", "good"), "job good of idle: ok after", "$0.25", "    All is\n    well.")
	j := h.job("idle", "good")
	if j.Result != session.OK || j.TokensIn != 700 || j.TokensOut != 42 || j.Cost != 0.25 || j.Last.IsZero() || j.Next.IsZero() {
		h.t.Errorf("%+v", j)
	}
	h.has(h.fleet(0, "jobs", "idle"), "good", "700 / 42", "$0.25")
	h.has(h.fleet(0, "status", "idle"), "job good", "700 / 42", "$0.25")
	h.has(h.fleet(0, "logs", "idle", "good"), "job good", "    well.", "job "+fmt.Sprint(h.runs("idle", "good")[0].N)+": ok")
	h.has(h.fleet(0, "logs", "idle", "--session", fmt.Sprint(h.runs("idle", "good")[0].N)), "working")
	h.fleet(1, "trigger", "idle", "bad")
	bad := h.runs("idle", "bad")
	if len(bad) != 1 || bad[0].Result != session.Failed || bad[0].Exit != 3 {
		h.t.Errorf("%+v", bad)
	}
	h.has(h.fleet(2, "logs", "idle", "best"), `no schedule "best"`, "it has: ")
}

// hooked: hooks run around jobs as around sessions.
func (h *host) hooked() {
	want := "before good failed\nafter good ok\nbefore bad failed\nonFailure bad failed"
	if d := cmp.Diff(want, h.Sh("grep -e ' good ' -e ' bad ' /home/demo-idle/hooks")); d != "" {
		h.t.Error(d)
	}
}

// busy: a job of an agent in a session waits for its end, or is left out.
func (h *host) busy() {
	h.begun("busy", "busy")
	h.MustRun("systemctl", "start", "--no-block", service("busy", "wait"))
	h.MustRun("systemctl", "start", service("busy", "skip"))
	if d := cmp.Diff([]string{session.Skipped}, results(h.runs("busy", "skip"))); d != "" {
		h.t.Error(d)
	}
	if got := h.runs("busy", "wait"); len(got) > 0 {
		h.t.Errorf("it did not wait: %+v", got)
	}
	h.fleet(0, "restart", "busy")
	if got := h.wait("busy", "wait", 1); got[0].Result != session.OK {
		h.t.Errorf("%+v", got)
	}
	h.apart("busy")
}

// apart: sessions and jobs of an agent are never at the same time.
func (h *host) apart(key string) {
	h.t.Helper()
	ran := slices.DeleteFunc(h.records(key), func(r session.Record) bool { return r.Result == session.Skipped })
	slices.SortFunc(ran, func(a, b session.Record) int { return a.Start.Compare(b.Start) })
	for i := 1; i < len(ran); i++ {
		if ran[i].Start.Before(ran[i-1].End) {
			h.t.Errorf("%+v began before the end of %+v", ran[i], ran[i-1])
		}
	}
}

// oneAtATime: of jobs that come due together one runs, those that wait follow, and those that do not are left out.
func (h *host) oneAtATime() {
	h.MustRun("systemctl", "start", "--no-block", service("idle", "first"))
	h.begun("idle", "first")
	h.MustRun("systemctl", "start", "--no-block", service("idle", "second"))
	h.MustRun("systemctl", "start", service("idle", "third"))
	if d := cmp.Diff([]string{session.Skipped}, results(h.runs("idle", "third"))); d != "" {
		h.t.Error(d)
	}
	h.MustRun("touch", "/home/demo-idle/go")
	if got := h.wait("idle", "second", 1); got[0].Result != session.OK {
		h.t.Errorf("%+v", got)
	}
	h.apart("idle")
}

// killed: a run that is killed with all that it started is recorded all the same.
func (h *host) killed() {
	h.MustRun("systemctl", "start", "--no-block", service("idle", "slow"))
	h.begun("idle", "slow")
	h.MustRun("systemctl", "kill", "--signal=KILL", service("idle", "slow"))
	if got := h.wait("idle", "slow", 1); got[0].Result != session.Failed || got[0].Exit != 137 {
		h.t.Errorf("%+v", got)
	}
	h.MustRun("rm", "/home/demo-idle/slow")
}

// costs: an agent whose sessions have cost as much as they may in a day does nothing until the next one, nor do its
// jobs.
func (h *host) costs() {
	h.Eventually("two dollars", patience, func() error {
		if all := h.records("dear"); len(all) < 2 {
			return fmt.Errorf("%v", results(all))
		}
		return nil
	})
	h.has(h.fleet(1, "trigger", "dear", "job"), "job job of dear: cost")
	if d := cmp.Diff([]string{session.OK, session.OK, session.Cost}, results(h.records("dear"))); d != "" {
		h.t.Error(d)
	}
	h.MustRun("systemctl", "start", "fleet-demo-watchdog.service")
	h.has(h.Sh("journalctl --no-pager -u fleet-demo-watchdog.service"), "agent dear waits: the costs of the day have reached their limit")
}

// caughtUp: what came while the host was off is made up for once where the spec says so, and a run that the power cut
// ended is recorded by the next one.
func (h *host) caughtUp() {
	h.MustRun("systemctl", "start", "--no-block", service("idle", "slow"))
	h.begun("idle", "slow")
	h.Sh("touch -d '2 years ago' /var/lib/systemd/timers/stamp-fleet-demo-idle-job-missed.timer")
	h.PowerCut()
	if got := h.wait("idle", "missed", 1); got[0].Result != session.OK {
		h.t.Errorf("%+v", got)
	}
	if got := h.runs("idle", "lost"); len(got) > 0 {
		h.t.Errorf("made up for although it does not say so: %+v", got)
	}
	h.Sh("rm /home/demo-idle/slow")
	h.MustRun("systemctl", "start", "--no-block", service("idle", "slow"))
	h.begun("idle", "slow")
	if got := h.runs("idle", "slow"); len(got) != 2 || got[1].Exit != 137 {
		h.t.Errorf("%+v", got)
	}
	h.MustRun("systemctl", "stop", service("idle", "slow"))
	if got := h.runs("idle", "slow"); len(got) != 3 || got[2].Result != session.Ended {
		h.t.Errorf("%+v", got)
	}
	if got := h.runs("idle", "missed"); len(got) != 1 {
		h.t.Errorf("made up for %d times", len(got))
	}
}

// within: a time that comes while the job itself runs is left out by one that skips.
func (h *host) within() {
	h.Eventually("a run, and one that is left out", 2*patience, func() error {
		got := results(h.runs("idle", "often"))
		if i := slices.Index(got, session.OK); i < 0 || !slices.Contains(got[i:], session.Skipped) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	h.apart("idle")
}
