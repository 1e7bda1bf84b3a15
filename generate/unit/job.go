package unit

import (
	"time"

	"fleet/generate/model"
)

// job makes the timer of a schedule and the service that it starts, in the agent's own containment. A stopped agent's
// jobs do not run.
func (b *builder) job(a *model.Agent, j *model.Schedule) {
	from := agentPath(a, "schedules."+j.Name)
	b.timer(a, j, from)
	u := b.unit(b.m.JobService(a.Key, j.Name), from)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": job "+j.Name+" of agent "+a.Key)
	b.owned(s, a, "manual") // a job in progress is left alone; the next one is the new one
	b.contained(s, a)
	b.signed(s, a)
	s.Units("PartOf", b.m.Target())
	s.Unless("ConditionPathExists", b.m.StoppedFile(a.Key))
	s.Int("StartLimitIntervalSec", 0)

	s = u.Section("Service")
	run := b.store(a.File("jobs/" + j.Name))
	box := box{sudo: len(a.Sudo) > 0, runs: []string{run}}
	s.Words("Type", "oneshot") // so that the timer never starts a second one beside it
	s.Words("Restart", "no")
	s.Span("TimeoutStartSec", a.JobLimit(j)) // the session's own limit is the script's
	s.Span("TimeoutStopSec", stopLimit)
	s.Words("KillMode", "mixed") // the runner ends what it started; systemd would also signal the hook of its end
	journal(s, u.Name)
	b.sandbox(s, a, box)
	b.environment(s, a)
	b.exposed(s, a)
	b.recordAgent(s, a)
	b.run(s, a, box, run)
	s.Exec("ExecStopPost", launch(a, box.sudo, run, "end")) // records a run that was killed, or whose host went down
	b.extras(u, a, "Service")
}

func (b *builder) timer(a *model.Agent, j *model.Schedule, from string) {
	u := b.unit(b.m.JobTimer(a.Key, j.Name), from)
	b.want(b.m.Target(), u.Name)
	s := u.Section("Unit")
	s.Text("Description", "fleet "+b.m.Project+": when job "+j.Name+" of agent "+a.Key+" runs")
	b.owned(s, a, "restart")
	s.Units("PartOf", b.m.Target())

	s = u.Section("Timer")
	when := s.At(from + "." + j.Key)
	for _, event := range j.Calendar {
		when.Text("OnCalendar", event)
	}
	if len(j.Calendar) == 0 {
		when.Span("OnActiveSec", j.Every)
		when.Span("OnUnitActiveSec", j.Every)
	}
	if j.CatchUp {
		s.At(from+".catchUp").Bool("Persistent", true)
	}
	if j.Jitter > 0 {
		s.At(from+".jitter").Span("RandomizedDelaySec", j.Jitter)
	}
	s.Span("AccuracySec", time.Second) // the default is a minute
}
