package spec

import (
	"errors"
	"fmt"
	"strings"

	"fleet/generate/spec/calendar"
	"fleet/generate/spec/cron"
	"fleet/schemas/fleet"
)

// whenHint shows the three ways to say when a job runs.
const whenHint = `write cron: "0 3 * * mon-fri", every: "6h" or calendar: "Mon..Fri 03:00"`

func (c *checker) schedule(p place, s fleet.Schedule) {
	var when []string
	for _, way := range []struct{ key, value string }{
		{"cron", s.Cron}, {"every", string(s.Every)}, {"calendar", s.Calendar},
	} {
		if way.value != "" {
			when = append(when, way.key)
		}
	}
	faulty := c.failedBelow(p)
	switch {
	case len(when) == 0 && !faulty:
		c.error(p, "must have one of cron, every and calendar, has none", whenHint)
	case len(when) > 1:
		c.error(p, "must have one of cron, every and calendar, has "+strings.Join(when, " and "),
			"take out what is not meant; null removes one that defaults give")
	case s.Prompt == "" && !faulty:
		c.error(p.in("prompt"), "is missing", "it says what the job does")
	}
	c.duration(p.in("every"), s.Every, everySpan)
	c.duration(p.in("session"), s.Session, sessionSpan)
	c.duration(p.in("jitter"), s.Jitter, jitterSpan)
	c.prompt(p.in("prompt"), s.Prompt)
	c.zone(p.in("timezone"), s.Timezone)
	if len(when) == 1 && s.Every != "" {
		c.elapsing(p, s)
	}
	c.cron(p.in("cron"), s.Cron)
	c.calendar(p.in("calendar"), s)
}

// elapsing refuses what a job with every has no use for.
func (c *checker) elapsing(p place, s fleet.Schedule) {
	if s.Timezone != "" {
		c.error(p.in("timezone"), "goes with cron or calendar only", "a job with every runs by the time that has passed")
	}
	if s.CatchUp {
		c.error(p.in("catchUp"), "goes with cron or calendar only",
			"a job with every counts from the boot on, and misses nothing")
	}
}

func (c *checker) cron(p place, expr string) {
	if expr == "" {
		return
	}
	_, err := cron.Parse(expr)
	var refused *cron.Error
	if errors.As(err, &refused) {
		c.error(p, show(expr)+" is not a time of cron's: "+refused.Reason, refused.Hint)
	}
}

func (c *checker) calendar(p place, s fleet.Schedule) {
	if s.Calendar == "" {
		return
	}
	zone, err := calendar.Check(s.Calendar)
	switch {
	case err != nil && strings.Contains(err.Error(), "cron"):
		c.error(p, show(s.Calendar)+" is not a calendar event: "+err.Error(), "write it as cron instead of calendar")
	case err != nil:
		c.error(p, show(s.Calendar)+" is not a calendar event: "+err.Error(),
			`write "daily", "Mon..Fri 03:00" or "*-*-01 04:30"; see systemd.time(7)`)
	case zone != "" && s.Timezone != "" && zone != s.Timezone:
		c.error(p.in("timezone")[:len(p)], fmt.Sprintf("ends in the time zone %s, timezone says %s", zone, s.Timezone),
			"keep one of them")
	}
}
