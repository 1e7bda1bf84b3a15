package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"fleet/generate/spec/calendar"
	"fleet/schemas/fleet"
)

// agent checks one agent; every message stands below its place.
func (c *checker) agent(p place, a fleet.Agent) {
	c.harnessOf(p, a)
	c.iteration(p.in("iteration"), a.Iteration)
	c.duration(p.in("session"), a.Session, sessionSpan)
	c.prompt(p.in("prompt"), a.Prompt)
	c.instructions(p.in("instructions"), a.Instructions)
	c.env(p.in("env"), a.Env)
	c.limits(p.in("limits"), a.Limits)
	c.mounts(p.in("mounts"), a.Mounts)
	c.hooks(p.in("hooks"), a.Hooks)
	c.sudo(p.in("sudo"), a)
	c.localPorts(p.in("localPorts"), a)
	c.systemd(p.in("systemd"), a.Systemd)
	for _, name := range slices.Sorted(maps.Keys(a.Schedules)) {
		c.schedule(p.in("schedules", name), a.Schedules[name])
	}
}

// harnessOf checks what an agent asks of its harness.
func (c *checker) harnessOf(p place, a fleet.Agent) {
	names := slices.Sorted(maps.Keys(c.fleet.Harnesses))
	h, ok := c.fleet.Harnesses[a.Harness]
	if !ok {
		hint := "harnesses: " + strings.Join(names, ", ")
		if near := nearest(a.Harness, names); near != "" {
			hint = "did you mean " + show(near) + "?"
		}
		c.error(p.in("harness"), show(a.Harness)+" is not a harness", hint)
		return
	}
	c.commandLine(p, a, h)
	c.accepted(p, a, h)
	if h.Settings == "none" && !samePermissions(a.Permissions) {
		c.warn(p.in("permissions"), fmt.Sprintf("harness %s has no managed settings: they have no effect", a.Harness), "")
	}
}

func (c *checker) commandLine(p place, a fleet.Agent, h fleet.Harness) {
	if a.Mode == "interactive" && len(h.Interactive) == 0 {
		c.error(p.in("mode"), fmt.Sprintf("harness %s has no interactive command line", a.Harness), `set mode: "headless"`)
	}
	if a.Mode == "headless" && len(h.Headless) == 0 {
		c.error(p.in("mode"), fmt.Sprintf("harness %s has no headless command line", a.Harness), `set mode: "interactive"`)
	}
	if a.Mode != "headless" && len(a.Schedules) > 0 && len(h.Headless) == 0 {
		c.error(p.in("schedules"), fmt.Sprintf("jobs are headless, and harness %s has no headless command line",
			a.Harness), "")
	}
	all := strings.Join(slices.Concat(h.Interactive, h.Headless, h.Resume), " ")
	if a.Model == "" && strings.Contains(all, "{{model}}") {
		c.error(p.in("model"), fmt.Sprintf("harness %s needs a model", a.Harness), "")
	}
	if a.Effort == "" && strings.Contains(all, "{{effort}}") {
		c.error(p.in("effort"), fmt.Sprintf("harness %s needs an effort", a.Harness), "")
	}
}

// accepted holds model and effort against what the harness knows.
func (c *checker) accepted(p place, a fleet.Agent, h fleet.Harness) {
	matches := func(glob string) bool {
		re := "^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$"
		return regexp.MustCompile(re).MatchString(a.Model)
	}
	if a.Model != "" && len(h.Models) > 0 && !slices.ContainsFunc(h.Models, matches) {
		c.error(p.in("model"), fmt.Sprintf("%s is not a model of harness %s", show(a.Model), a.Harness),
			"it takes "+strings.Join(h.Models, ", "))
	}
	switch {
	case a.Effort == "" || slices.Contains(h.Efforts, a.Effort):
	case len(h.Efforts) == 0:
		c.error(p.in("effort"), fmt.Sprintf("harness %s has no effort to set", a.Harness),
			"leave effort out; null removes one that defaults give")
	default:
		c.error(p.in("effort"), fmt.Sprintf("%s is not an effort of harness %s", show(a.Effort), a.Harness),
			"it takes "+strings.Join(h.Efforts, ", "))
	}
}

func samePermissions(p fleet.Permissions) bool {
	return p.Mode == "bypassPermissions" && len(p.Allow)+len(p.Ask)+len(p.Deny) == 0
}

func (c *checker) iteration(p place, i fleet.Iteration) {
	c.duration(p, i.Day, iterationSpan)
	if i == (fleet.Iteration{Day: i.Day}) {
		return
	}
	c.duration(p.in("night"), i.Night, iterationSpan)
	c.zone(p.in("timezone"), i.Timezone)
	for _, part := range []struct{ key, value string }{{"night", string(i.Night)}, {"from", i.From}, {"to", i.To}} {
		if part.value == "" && !c.failedBelow(p) {
			c.error(p.in(part.key), "is missing", "night, from and to are set together")
		}
	}
	if i.From == i.To && i.From != "" {
		c.error(p.in("to"), `must differ from "from"`, "")
	}
}

func (c *checker) zone(p place, name string) {
	if name == "" || calendar.IsZone(name) {
		return
	}
	hint := `write it as in the IANA database, such as "Europe/Berlin" or "UTC"`
	if near := nearest(name, calendar.Zones()); near != "" {
		hint = "did you mean " + show(near) + "?"
	}
	c.error(p, show(name)+" is not a time zone", hint)
}

var (
	variable      = regexp.MustCompile(`\{\{[a-zA-Z][a-zA-Z0-9_.-]*\}\}`)
	wideVariable  = regexp.MustCompile(`\{\{\s*(project|agent\.key|agent\.name|agent\.role)\s*\}\}`)
	promptNames   = []string{"{{project}}", "{{agent.key}}", "{{agent.name}}", "{{agent.role}}"}
	variablesHint = "variables: " + strings.Join(promptNames, ", ")
)

// prompt checks length and variables.
func (c *checker) prompt(p place, text string) {
	c.length(p, text, promptLimit)
	unknown := map[string]bool{}
	for _, v := range variable.FindAllString(text, -1) {
		if !slices.Contains(promptNames, v) && !unknown[v] {
			unknown[v] = true
			c.error(p, v+" is not a variable", variablesHint+`; with spaces, as in "{{ x }}", it is plain text`)
		}
	}
	for _, v := range wideVariable.FindAllString(text, -1) {
		if !slices.Contains(promptNames, v) && !unknown[v] {
			unknown[v] = true
			c.error(p, show(v)+" must be written without spaces", variablesHint)
		}
	}
}

func (c *checker) instructions(p place, list []fleet.Instruction) {
	sum := 0
	for _, in := range list {
		sum += len(in.Text)
	}
	if sum > instructionsLimit {
		c.error(p, fmt.Sprintf("must have at most %d KiB together, have %d", instructionsLimit/kib, sum/kib),
			"a model reads them in every session")
	}
}

func (c *checker) hooks(p place, hooks map[string]fleet.Hook) {
	for _, name := range slices.Sorted(maps.Keys(hooks)) {
		c.duration(p.in(name, "timeout"), hooks[name].Timeout, hookSpan)
		c.length(p.in(name), hooks[name].Script, hookLimit)
	}
}

func (c *checker) schedule(p place, s fleet.Schedule) {
	switch faulty := c.failedBelow(p); {
	case s.Every == "" && s.Calendar == "" && !faulty:
		c.error(p, "must have every or calendar, has neither", `write every: "6h" or calendar: "Mon..Fri 03:00"`)
	case s.Every != "" && s.Calendar != "":
		c.error(p, "must have every or calendar, has both", "take one out; null removes one that defaults give")
	case s.Prompt == "" && !faulty:
		c.error(p.in("prompt"), "is missing", "it says what the job does")
	}
	c.duration(p.in("every"), s.Every, everySpan)
	c.duration(p.in("session"), s.Session, sessionSpan)
	c.duration(p.in("jitter"), s.Jitter, jitterSpan)
	c.prompt(p.in("prompt"), s.Prompt)
	c.zone(p.in("timezone"), s.Timezone)
	if s.Timezone != "" && s.Calendar == "" {
		c.error(p.in("timezone"), "goes with calendar only", "a job with every runs by the time that has passed")
	}
	c.calendar(p.in("calendar"), s)
}

func (c *checker) calendar(p place, s fleet.Schedule) {
	if s.Calendar == "" {
		return
	}
	zone, err := calendar.Check(s.Calendar)
	switch {
	case err != nil && strings.Contains(err.Error(), "cron"):
		c.error(p, show(s.Calendar)+" is not a calendar event: "+err.Error(),
			`"0 3 * * 1-5" of cron is "Mon..Fri 03:00" here`)
	case err != nil:
		c.error(p, show(s.Calendar)+" is not a calendar event: "+err.Error(),
			`write "daily", "Mon..Fri 03:00" or "*-*-01 04:30"; see systemd.time(7)`)
	case zone != "" && s.Timezone != "" && zone != s.Timezone:
		c.error(p.in("timezone")[:len(p)], fmt.Sprintf("ends in the time zone %s, timezone says %s", zone, s.Timezone),
			"keep one of them")
	}
}

func (c *checker) limits(p place, l fleet.Limits) {
	memory := c.size(p.in("memory"), l.Memory, leastMemory)
	if high := c.size(p.in("memoryHigh"), l.MemoryHigh, leastMemory); high > memory {
		c.error(p.in("memoryHigh"), fmt.Sprintf("%q must be at most limits.memory, which is %q", l.MemoryHigh, l.Memory),
			"it is the point from which on processes are slowed down before memory ends")
	}
	c.size(p.in("shm"), l.Shm, leastFolder)
	c.size(p.in("tmp"), l.Tmp, leastFolder)
	c.size(p.in("disk"), l.Disk, leastFolder)
}
