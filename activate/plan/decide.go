package plan

import (
	"fmt"
	"strings"

	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
)

// decide gives the unit its step, seen by itself; what others do to it comes later.
func (p *planner) decide(u *unit) {
	switch {
	case u.new == nil:
		p.removed(u)
	case u.override != "" || u.live.masked():
	case kind(u.name) == "slice" || kind(u.name) == "target" && u.live.up():
		p.applied(u)
	case u.live.failed():
		p.failed(u)
	case p.jobRuns(u):
		p.runningJob(u)
	case u.live.moving() && !u.live.up():
		p.moving(u)
	case u.live.up():
		p.running(u)
	default:
		p.idle(u)
	}
}

func (p *planner) step(u *unit, a Action, phase Phase, because string) *Step {
	u.step = &Step{Unit: u.name, Action: a, Phase: phase, Because: because, Agent: p.agent(u)}
	if u.old != nil && u.new != nil {
		u.step.Changes = u.changes
	}
	return u.step
}

func (p *planner) removed(u *unit) {
	switch {
	case u.live.failed():
		p.step(u, ResetFailed, PhaseStop, "removed")
	case u.live.down() && !u.live.moving():
	case p.endsAlone(u):
		p.step(u, None, PhaseStop, "removed with its timer; the run in progress ends by itself")
	default:
		p.step(u, Stop, PhaseStop, "removed")
	}
}

// endsAlone reports whether a removed service is a job in progress whose timer went, of an agent that stays.
func (p *planner) endsAlone(u *unit) bool {
	if p.in.Revert || p.trigger(p.in.Old, u.name, ".timer") == "" || p.pulledOld[u.name] {
		return false
	}
	agent := p.agent(u)
	for _, other := range p.all {
		if other.new != nil && p.agent(other) == agent {
			return true
		}
	}
	return false
}

// applied handles units that a daemon-reload brings up to date.
func (p *planner) applied(u *unit) {
	if len(u.changes) > 0 && u.live.up() {
		p.step(u, Apply, PhaseReload, because(u.changes))
	}
}

func (p *planner) failed(u *unit) {
	if u.meant && !p.activated(u) {
		p.step(u, Start, PhaseRun, "has failed"+parens(u.live.Result)).Reset = true
	}
}

// activated reports whether a socket or a timer starts the unit, and nothing else does.
func (p *planner) activated(u *unit) bool {
	return !p.pulledNew[u.name] && (p.trigger(p.in.New, u.name, ".socket") != "" || p.trigger(p.in.New, u.name, ".timer") != "")
}

// jobRuns reports whether the unit is a timer's service at work.
func (p *planner) jobRuns(u *unit) bool {
	return !u.live.down() && !u.live.failed() && !p.pulledNew[u.name] && p.trigger(p.in.New, u.name, ".timer") != ""
}

// runningJob leaves a job to its end, since its next run uses the new definition anyway. What must not go on is stopped
// and not started again: a job half done is not to be done twice, and its start would last as long as its work.
func (p *planner) runningJob(u *unit) {
	if len(u.changes) == 0 && !u.live.Unknown {
		return
	}
	why := because(u.changes)
	if at := p.atOnce(u); at != "" && (policy(u.new) != manifest.OnChangeManual || p.narrowed(u) != "") {
		p.step(u, Stop, PhaseStop, why+parens(at)).Policy = policy(u.new)
		return
	}
	p.step(u, None, PhaseRun, why+parens("the run in progress ends by itself")).Policy = policy(u.new)
}

// moving handles units that are starting, stopping or waiting to be started again. No session is in progress in them.
func (p *planner) moving(u *unit) {
	state := u.live.ActiveState + parens(u.live.SubState)
	switch {
	case u.live.leaving() || !u.meant:
	case len(u.changes) == 0 && !u.live.Unknown:
		p.step(u, Wait, PhaseRun, "is "+state)
	case policy(u.new) == manifest.OnChangeManual:
		p.manual(u)
	default:
		p.step(u, Restart, PhaseRun, because(u.changes)+parens("is "+state)).Policy = policy(u.new)
	}
}

// idle starts what must run and does not.
func (p *planner) idle(u *unit) {
	switch {
	case !u.meant || p.activated(u):
	case u.old == nil:
		p.step(u, Start, PhaseRun, "new")
	case endsByItself(u.new) && u.live.Ran && len(u.changes) == 0:
	case len(u.changes) > 0:
		p.step(u, Start, PhaseRun, because(u.changes))
	default:
		p.step(u, Start, PhaseRun, "does not run")
	}
}

// running handles a unit that runs and stays in the generation.
func (p *planner) running(u *unit) {
	changed := len(u.changes) > 0 || u.live.Unknown
	switch {
	case p.pulledOld[u.name] && !p.pulledNew[u.name] && !p.in.Revert && !p.activated(u):
		p.step(u, Stop, PhaseStop, "nothing asks for it any more")
	case !changed && u.live.Job != "" && u.meant:
		p.step(u, Wait, PhaseRun, "a "+u.live.Job+" of it is under way")
	case !changed:
	case kind(u.name) == "service":
		p.changedService(u)
	case kind(u.name) == "timer":
		p.changedTimer(u)
	case kind(u.name) == "socket":
		p.step(u, Restart, PhaseStop, because(u.changes))
	default:
		p.step(u, Restart, PhaseRun, because(u.changes))
	}
}

// changedTimer stops the timer before the daemon-reload: an active one fires within the reload where its new schedule
// has elapsed since its last run (seen on systemd 252).
func (p *planner) changedTimer(u *unit) {
	why := because(u.changes)
	for _, c := range u.changes {
		switch c.Key {
		case "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec":
			why = because(u.changes) + parens("runs at once if that time is over")
		}
	}
	s := p.step(u, Restart, PhaseStop, why)
	s.Hold = len(u.new.Values("Timer", "OnCalendar")) > 0
}

// changedService treats the service by its policy.
func (p *planner) changedService(u *unit) {
	onChange := policy(u.new)
	why := because(u.changes)
	if u.live.Unknown {
		why = "what it runs from is not known"
	}
	switch {
	case onChange == manifest.OnChangeManual:
		p.manual(u)
		return
	case u.live.Unknown && onChange != manifest.OnChangeReload:
		p.step(u, Restart, PhaseRun, why)
	case !u.live.Unknown && onlyReload(u.changes) && !reloads(u.changes):
		return
	case (onlyReload(u.changes) || onChange == manifest.OnChangeReload) && len(u.new.Values("Service", "ExecReload")) > 0:
		p.step(u, Reload, PhaseRun, why)
	case onChange == manifest.OnChangeGraceful && p.atOnce(u) == "":
		p.step(u, Graceful, PhaseRun, why)
	default:
		p.step(u, Restart, stopPhase(u.changes), why)
	}
	if u.step.Action == Restart && onChange == manifest.OnChangeGraceful {
		u.step.Because += parens(p.atOnce(u))
	}
	u.step.Policy = onChange
}

func (p *planner) manual(u *unit) {
	p.step(u, Manual, PhaseRun, because(u.changes)+"; restart it when it suits").Policy = manifest.OnChangeManual
}

// atOnce returns why a unit of policy graceful is not left to end by itself, "" where it is.
func (p *planner) atOnce(u *unit) string {
	switch {
	case p.in.Now:
		return "now"
	case p.in.Revert:
		return "on the way back"
	}
	return p.narrowed(u)
}

// narrowed returns what the unit must not go on with, "" where there is nothing.
func (p *planner) narrowed(u *unit) string {
	if why := p.in.AtOnce[p.agent(u)]; why != "" {
		return why
	}
	if key := narrows(u.changes); key != "" {
		return key + " contains it, so at once"
	}
	return ""
}

// policy returns the unit's own wish, restart where it has none.
func policy(u unitfile.Unit) string {
	if v := u.Last("Unit", "X-Fleet-OnChange"); v != "" {
		return v
	}
	return manifest.OnChangeRestart
}

// onlyReload reports whether nothing changed but how or when the service reloads.
func onlyReload(changes []unitfile.Change) bool {
	for _, c := range changes {
		if c.Key != "ExecReload" && c.Key != unitfile.ReloadTrigger {
			return false
		}
	}
	return true
}

// reloads reports whether one of the changes asks for a reload; a key that is gone asks for nothing.
func reloads(changes []unitfile.Change) bool {
	for _, c := range changes {
		if len(c.New) > 0 {
			return true
		}
	}
	return false
}

// stopPhase returns when a service is stopped: before the daemon-reload where its way of stopping changes, so that the
// old one is used for what the old one started.
func stopPhase(changes []unitfile.Change) Phase {
	for _, c := range changes {
		if strings.HasPrefix(c.Key, "ExecStop") || strings.HasPrefix(c.Key, "Kill") || c.Key == "TimeoutStopSec" {
			return PhaseStop
		}
	}
	return PhaseRun
}

// because names the files whose content changed, or the first other change, and the keys of the rest.
func because(changes []unitfile.Change) string {
	if len(changes) == 0 {
		return "what it runs from is not known"
	}
	files, others := unitfile.Contents(changes)
	var text string
	switch {
	case len(files) > 0:
		text = "changed: " + strings.Join(files, ", ")
	case len(others) == 0: // the same files, in another order
		text = changes[0].Key
	default:
		text, others = others[0].String(), others[1:]
	}
	var more []string
	for _, c := range others {
		more = append(more, c.Key)
	}
	if len(more) > 0 {
		text += fmt.Sprintf(" (and %s)", strings.Join(more, ", "))
	}
	return text
}

func parens(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
