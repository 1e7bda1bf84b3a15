package plan

import "fleet/activate/unitfile"

// sockets stops the services of every socket that is started: systemd refuses to start a socket whose service runs.
// The service is left to the next connection, but where something else asks for it too.
func (p *planner) sockets() {
	for _, u := range p.all {
		if kind(u.name) != "socket" || u.step == nil || u.step.Action != Start && u.step.Action != Restart {
			continue
		}
		for _, s := range p.all {
			if !p.serves(s, u.name) || s.live.down() && !s.live.moving() || s.live.failed() || s.new == nil {
				continue
			}
			action := Stop
			if p.pulledNew[s.name] {
				action = Restart
			}
			p.step(s, action, PhaseStop, "its socket "+u.name+" starts it again").Along = u.name
		}
	}
}

func (p *planner) serves(s *unit, socket string) bool {
	for _, set := range []*unitfile.Set{p.in.Old, p.in.New} {
		if t := set.Triggers(socket); t != "" && (t == s.name || t == unitfile.Template(s.name)) {
			return true
		}
	}
	return false
}

// settle spreads what happens to a unit to those that systemd takes along, until nothing changes any more.
func (p *planner) settle() {
	for again := true; again; {
		again = false
		for _, u := range p.all {
			again = p.company(u) || p.along(u) || again
		}
	}
}

// along gives a step to a running unit that is stopped or restarted because of what it requires. It reports whether
// that changed something.
func (p *planner) along(u *unit) bool {
	if u.live.down() || u.live.failed() || u.new == nil || u.override != "" || u.live.masked() {
		return false
	}
	if u.step != nil && u.step.Phase == PhaseStop && (u.step.Action == Stop || u.step.Action == Restart) {
		return false
	}
	for _, name := range p.in.Old.StoppedBy(u.name) {
		if p.stops(name) {
			p.taken(u, PhaseStop, name, "requires "+name+", which is stopped")
			return true
		}
	}
	if u.step != nil && u.step.Action == Restart {
		return false
	}
	for _, name := range p.in.New.RestartedBy(u.name) {
		if r := p.units[name]; r != nil && r.step != nil && r.step.Action == Restart {
			p.taken(u, PhaseRun, name, "requires "+name+", which is restarted")
			return true
		}
	}
	return false
}

// stops reports whether the unit is stopped with its old definition.
func (p *planner) stops(name string) bool {
	u := p.units[name]
	return u != nil && u.step != nil && u.step.Phase == PhaseStop && (u.step.Action == Stop || u.step.Action == Restart)
}

// taken makes u end up running again, unless a connection or a timer does that.
func (p *planner) taken(u *unit, phase Phase, by, why string) {
	action := Restart
	switch {
	case p.jobRuns(u):
		action, phase = Stop, PhaseStop // before systemd would start it again with the other
	case phase == PhaseStop && p.trigger(p.in.New, u.name, ".socket") != "" && !p.pulledNew[u.name]:
		action = Stop
	}
	if u.step != nil && u.step.Action == Restart {
		why = u.step.Because
	}
	p.step(u, action, phase, why).Along = by
}

// company handles a unit of policy graceful that cannot end by itself, such as the one that holds an agent's network
// namespace: it waits for the agent that requires it, and is restarted at once where none runs or waits.
func (p *planner) company(u *unit) bool {
	if u.step == nil || u.step.Action != Graceful || respawns(u.new) {
		return false
	}
	if u.step.Along != "" && p.units[u.step.Along].step.Action == Graceful {
		return false
	}
	why := "no session is in progress"
	for _, d := range p.all {
		if !p.needs(d, u.name) || !d.live.up() || !respawns(d.new) {
			continue
		}
		why = "with " + d.name
		if d.step == nil {
			p.step(d, Graceful, PhaseRun, "requires "+u.name+", which changes").Policy = policy(d.new)
		}
		if d.step.Action == Graceful {
			u.step.Along = d.name
			return true
		}
	}
	p.step(u, Restart, stopPhase(u.changes), because(u.changes)+parens(why)).Policy = policy(u.new)
	return true
}

func (p *planner) needs(d *unit, name string) bool {
	if d.new == nil || p.agent(d) != p.agent(p.units[name]) {
		return false
	}
	for _, n := range p.in.New.Needs(d.name) {
		if n == name {
			return true
		}
	}
	return false
}

// respawns reports whether systemd starts the service again when it ends, so that it can be told to end.
func respawns(u unitfile.Unit) bool { return u.Last("Service", "Restart") == "always" }
