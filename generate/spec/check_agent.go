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
	c.costs(p.in("limits", "costPerDay"), a)
	c.mounts(p.in("mounts"), a.Mounts)
	c.hooks(p.in("hooks"), a.Hooks)
	c.sudo(p.in("sudo"), a)
	c.localPorts(p.in("localPorts"), a)
	c.systemd(p.in("systemd"), a.Systemd)
	for _, name := range slices.Sorted(maps.Keys(a.Schedules)) {
		c.schedule(p.in("schedules", name), a.Schedules[name])
		c.notify(p.in("schedules", name, "notify"), p[len(p)-1], a, a.Schedules[name].Notify)
	}
	c.notify(p.in("notify"), p[len(p)-1], a, a.Notify)
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
	c.permissions(p.in("permissions"), a, h)
}

// permissions holds what an agent asks for against what the harness has a place for.
func (c *checker) permissions(p place, a fleet.Agent, h fleet.Harness) {
	argv := slices.Concat(h.Interactive, h.Headless, h.Resume, h.ResumeTalk)
	uses := func(variable string) bool { return stands(h.Settings, variable) || slices.Contains(argv, variable) }
	_, known := h.Modes[a.Permissions.Mode]
	switch {
	case len(h.Modes) > 0 && !known:
		c.error(p.in("mode"), fmt.Sprintf("%s is not a permission mode of harness %s", show(a.Permissions.Mode), a.Harness),
			"it takes "+strings.Join(slices.Sorted(maps.Keys(h.Modes)), ", "))
	case len(h.Modes) == 0 && a.Permissions.Mode != "bypassPermissions" && !uses(permissionsMode):
		c.warn(p.in("mode"), fmt.Sprintf("harness %s has no place for it: it has no effect", a.Harness), "")
	}
	for _, list := range []struct {
		key   string
		rules []string
	}{{"allow", a.Permissions.Allow}, {"ask", a.Permissions.Ask}, {"deny", a.Permissions.Deny}} {
		if len(list.rules) > 0 && !uses("{{permissions."+list.key+"}}") {
			c.warn(p.in(list.key), fmt.Sprintf("harness %s has no place for them: they have no effect", a.Harness), "")
		}
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
	all := strings.Join(slices.Concat(h.Interactive, h.Headless, h.Resume, h.ResumeTalk), " ")
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
	if a.Model != "" && len(h.Models) > 0 && a.Provider == "" && !slices.ContainsFunc(h.Models, matches) {
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
	variablesHint = "variables: " + strings.Join(promptNames, ", ") + ", {{channels.NAME}}"
)

// prompt checks length and variables.
func (c *checker) prompt(p place, text string) {
	c.length(p, text, promptLimit)
	unknown := map[string]bool{}
	for _, v := range variable.FindAllString(text, -1) {
		if name, ok := strings.CutPrefix(v, "{{channels."); ok {
			if !unknown[v] {
				unknown[v] = true
				c.listed(p, strings.TrimSuffix(name, "}}"), "channel", c.channels)
			}
			continue
		}
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

// costs tells where a limit of the cost counts nothing, or not all.
func (c *checker) costs(p place, a fleet.Agent) {
	h, known := c.fleet.Harnesses[a.Harness]
	switch {
	case a.Limits.CostPerDay == 0 || !known:
	case h.Result == nil || len(h.Result.Cost) == 0:
		c.warn(p, fmt.Sprintf("harness %s reports no costs: the limit has no effect", a.Harness), "")
	case a.Mode == "interactive":
		c.warn(p, fmt.Sprintf("harness %s reports costs of jobs and headless sessions only: interactive ones do not count",
			a.Harness), `set mode: "headless" where all must count`)
	}
}
