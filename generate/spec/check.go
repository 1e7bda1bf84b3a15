package spec

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/manifest"
)

// checker holds a complete fleet against the rules that a schema cannot say.
type checker struct {
	*faults
	fleet    *fleet.Fleet
	builtin  *builtin
	channels []string // of the team's chat, sorted
}

func checkFleet(found *faults, f *fleet.Fleet, builtin *builtin) {
	c := checker{found, f, builtin, model.ChannelKeys(f)}
	c.names()
	c.watchdog()
	c.activation()
	c.uids()
	c.duration(place{"retention", "transcripts"}, f.Retention.Transcripts, keepSpan)
	c.duration(place{"retention", "jobs"}, f.Retention.Jobs, keepSpan)
	for _, name := range slices.Sorted(maps.Keys(f.Harnesses)) {
		c.harness(place{"harnesses", name}, f.Harnesses[name])
	}
	enabled := false
	for _, key := range c.keys() {
		c.agent(place{"agents", key}, f.Agents[key])
		enabled = enabled || f.Agents[key].Enabled
	}
	if !enabled && len(f.Agents) > 0 {
		c.warn(place{"agents"}, "no agent is enabled", "nothing will run")
	}
	c.egress()
	c.secrets()
	c.providers()
	for _, key := range c.keys() {
		c.login(place{"agents", key, "login"}, key, f.Agents[key])
	}
	c.sidecars()
	c.coordination()
	c.sharedMounts()
	c.sharedPorts()
}

// keys returns the agents' keys, sorted.
func (c *checker) keys() []string { return slices.Sorted(maps.Keys(c.fleet.Agents)) }

// Projects whose users would meet the system's own, such as systemd-network and www-data.
var takenProjects = []string{"systemd", "www", "debian", "dbus", "polkit", "sshd", "root"}

// Agent keys that name something else of a fleet, beside those that a manifest refuses.
var takenKeys = append([]string{"lock", "status"}, manifest.ReservedKeys...)

// Ends of an agent's units beside its service.
var takenEnds = []string{"-net", "-gate", "-ca", "-sign", "-attach", "-login", "-probe"}

// names refuses names that are taken, and two things with one name.
func (c *checker) names() {
	if slices.Contains(takenProjects, c.fleet.Project) {
		c.error(place{"project"}, show(c.fleet.Project)+" is taken by users of the system", "choose another name")
	}
	if slices.Contains(manifest.ReservedProjects, c.fleet.Project) {
		c.error(place{"project"}, show(c.fleet.Project)+" is taken by a folder of fleet's own", "choose another name")
	}
	for _, key := range c.keys() {
		c.agentKey(place{"agents", key}, key)
	}
	if c.fleet.Project != "" {
		c.derivedNames()
	}
}

func (c *checker) agentKey(p place, key string) {
	const hint = "choose another key"
	if slices.Contains(takenKeys, key) {
		c.error(p, show(key)+" is taken by a part of every fleet", hint)
	}
	if strings.HasPrefix(key, "sidecar-") {
		c.error(p, `an agent's key must not begin with "sidecar-"`, hint)
	}
	if strings.Contains(key, "-job-") {
		c.error(p, `an agent's key must not have "-job-" in it, which names the units of schedules`, hint)
	}
	for _, end := range takenEnds {
		if strings.HasSuffix(key, end) {
			c.error(p, fmt.Sprintf("an agent's key must not end in %q, which names a unit beside an agent's own", end), hint)
		}
	}
}

// userLimit is what systemd-sysusers(8) takes: the field of utmp(5) less its end.
const userLimit = 31

// derivedNames refuses two things that would have one name on a host.
func (c *checker) derivedNames() {
	m := model.Fleet{Project: c.fleet.Project}
	by := map[string]place{c.fleet.Operators.Group: {"operators", "group"}}
	claim := func(p place, what, name string) {
		if other, taken := by[name]; taken {
			c.error(p, fmt.Sprintf("its %s %s is also that of %s", what, name, other), "rename one of them")
			return
		}
		by[name] = p
	}
	for _, key := range c.keys() {
		p := place{"agents", key}
		claim(p, "user", c.fleet.Project+"-"+key)
		claim(p, "user", model.GateUser(c.fleet.Project, key))
		if most := userLimit - len(model.GateUser(c.fleet.Project, "")); len(key) > most {
			c.error(p, fmt.Sprintf("must have at most %d characters: %s would be too long for a user's name", most,
				model.GateUser(c.fleet.Project, key)), "shorten it, or the project's name")
		}
		for _, unit := range []model.UnitName{
			m.AgentUnit(key), m.NetUnit(key), m.GateService(key), m.GateSocket(key), m.CAUnit(key), m.AttachUnit(key),
			m.LoginUnit(key), m.SignService(key), m.SignSocket(key),
		} {
			claim(p, "unit", string(unit))
		}
		for _, name := range slices.Sorted(maps.Keys(c.fleet.Agents[key].Schedules)) {
			claim(p.in("schedules", name), "unit", string(m.JobService(key, name)))
		}
	}
	for _, key := range model.SidecarKeys(c.fleet) {
		p := place{"coordination"}
		if _, taken := c.fleet.Agents[key]; taken {
			continue // told as the agent's fault
		}
		if key != model.ChatKey {
			p = place{"sidecars", strings.Split(key, "-")[1]}
		}
		claim(p, "user", c.fleet.Project+"-"+key)
		claim(p, "user", model.GateUser(c.fleet.Project, key))
		if user := model.GateUser(c.fleet.Project, key); len(user) > userLimit {
			c.error(p, fmt.Sprintf("%s would be %d characters, and a user's name has at most %d", user, len(user), userLimit),
				"shorten the sidecar's name, the agent's key or the project's name, or let agents share it")
		}
		for _, unit := range []model.UnitName{m.AgentUnit(key), m.NetUnit(key), m.GateService(key), m.GateSocket(key), m.CAUnit(key)} {
			claim(p, "unit", string(unit))
		}
	}
	for _, s := range model.CallSockets(c.fleet) {
		p := place{"agents", s.Agent}
		if s.Sidecar != model.ChatKey {
			p = p.in("sidecars", s.Sidecar)
		}
		claim(p, "unit", string(m.SidecarSocket(s.Sidecar, s.Agent)))
	}
}

func (c *checker) watchdog() {
	w, p := c.fleet.Watchdog, place{"watchdog"}
	every := c.duration(p.in("every"), w.Every, watchdogSpan)
	if stalled := c.duration(p.in("stalledAfter"), w.StalledAfter, stalledSpan); stalled < every {
		c.error(p.in("stalledAfter"), fmt.Sprintf("%q must be at least watchdog.every, which is %q", w.StalledAfter,
			w.Every),
			"the watchdog counts its own runs")
	}
	c.heartbeat(p.in("heartbeatUrl"), w.HeartbeatURL)
}

func (c *checker) heartbeat(p place, address string) {
	const hint = `write it as "https://status.example.com/ping/myteam"`
	u, err := url.Parse(address)
	switch plain := strings.IndexFunc(address,
		func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`\\<>{}|^", r) }) < 0; {
	case address == "":
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || !plain:
		c.error(p, show(address)+" is not an address of the web", hint)
	case u.User != nil:
		c.error(p, "must not hold a user or password", hint)
	}
}

func (c *checker) activation() {
	a, p := c.fleet.Activation, place{"activation"}
	health := c.duration(p.in("health"), a.Health, healthSpan)
	job := c.duration(p.in("job"), a.Job, jobSpan)
	if deadman := c.duration(p.in("deadman"), a.Deadman, deadmanSpan); deadman <= max(health, job) {
		c.error(p.in("deadman"), fmt.Sprintf("%q must be longer than activation.health (%q) and activation.job (%q)",
			a.Deadman, a.Health, a.Job), "it would undo a switch that only waits")
	}
}

// subuids is where Debian's useradd begins to give out ranges for /etc/subuid.
const subuids = 100000

func (c *checker) uids() {
	u, p := c.fleet.UIDs, place{"uids"}
	switch size := u.To - u.From + 1; {
	case size < 1:
		c.error(p, fmt.Sprintf("from must not be greater than to, is %d and %d", u.From, u.To), "")
	case size < len(model.Users(c.fleet)):
		c.error(p, fmt.Sprintf("has room for %d users, the fleet has %d", size, len(model.Users(c.fleet))),
			"widen the range; numbers are never used twice")
	case u.To >= subuids:
		c.warn(p.in("to"), "numbers from 100000 on may meet ranges of /etc/subuid",
			"stay below, or see that no range there meets this one")
	}
}
