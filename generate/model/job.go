package model

import (
	"time"

	"fleet/generate/spec/cron"
	"fleet/schemas/fleet"
)

// schedule resolves a job.
func (r *resolver) schedule(name string, s fleet.Schedule, session time.Duration) Schedule {
	out := Schedule{
		Name: name, Every: r.duration(s.Every), Prompt: s.Prompt, Jitter: r.duration(s.Jitter), CatchUp: s.CatchUp,
		Skip: s.Overlap == "skip", Session: session, Notify: s.Notify,
	}
	if s.Session != "" {
		out.Session = r.duration(s.Session)
	}
	switch {
	case s.Cron != "":
		parsed, err := cron.Parse(s.Cron)
		r.keep(err)
		out.Key, out.Expr, out.Calendar = "cron", s.Cron, parsed.OnCalendar(s.Timezone)
		out.When = inZone(parsed.Words(), ", ", s.Timezone)
	case s.Calendar != "":
		event := inZone(s.Calendar, " ", s.Timezone)
		if endsInZone(s.Calendar, s.Timezone) {
			event = s.Calendar
		}
		out.Key, out.Expr, out.Calendar, out.When = "calendar", s.Calendar, []string{event}, event
	default:
		out.Key, out.Expr, out.When = "every", string(s.Every), "every "+string(s.Every)
	}
	return out
}

// inZone ends a time in its time zone, where it has one.
func inZone(when, mark, zone string) string {
	if zone == "" {
		return when
	}
	return when + mark + zone
}

// longestWait bounds the wait of a job whose agent has many long ones.
const longestWait = 7 * 24 * time.Hour

// JobPatience is how long a job waits for its turn before it is skipped: as long as a session of the agent's own and one
// run of each of its jobs may take, with their hooks.
func (a *Agent) JobPatience() time.Duration {
	turn := a.Session + a.hookTime()
	for _, s := range a.Schedules {
		turn += s.Session + a.hookTime()
	}
	return min(turn, longestWait)
}

// JobLimit is what a job may take altogether: the wait for its turn, its session and hooks, and some time to end it.
func (a *Agent) JobLimit(s *Schedule) time.Duration {
	return a.JobPatience() + s.Session + a.hookTime() + 10*time.Minute
}

// hookTime is what the hooks of one session may take, and what ends it.
func (a *Agent) hookTime() time.Duration {
	return a.Hooks["setup"].Timeout + a.Hooks["before"].Timeout + max(a.Hooks["after"].Timeout, a.Hooks["onFailure"].Timeout) + time.Minute
}

// CleanupLimit is what the agent's onCleanup hook gets when its unit stops.
func (a *Agent) CleanupLimit() time.Duration { return a.Hooks["onCleanup"].Timeout }
