package plan

import (
	"slices"

	"fleet/activate/unitfile"
)

// sim is as much of systemd as a plan depends on.
type sim struct {
	set    *unitfile.Set
	target string
	units  map[string]*simUnit
}

type simUnit struct {
	active     bool
	ran        bool
	started    int // counts invocations
	definition unitfile.Unit
}

// bootSim returns a host freshly booted with the set.
func bootSim(set *unitfile.Set, target string) *sim {
	s := &sim{set: set, target: target, units: map[string]*simUnit{}}
	for _, name := range append(set.External(), target) {
		s.start(name)
	}
	return s
}

func (s *sim) unit(name string) *simUnit {
	if s.units[name] == nil {
		s.units[name] = &simUnit{}
	}
	return s.units[name]
}

func (s *sim) start(name string) {
	if !s.set.Has(name) {
		return
	}
	u, def := s.unit(name), s.set.Unit(name)
	if u.active {
		return
	}
	if service := s.set.Triggers(name); kind(name) == "socket" && s.unit(service).active {
		return // Socket service already active, refusing.
	}
	u.active, u.ran, u.definition = !endsByItself(def) || kind(name) != "service", true, def
	u.started++
	for _, other := range append(s.set.Pulls(name), s.set.RestartedBy(name)...) {
		s.start(other)
	}
}

func (s *sim) stop(name string) {
	u := s.unit(name)
	if !u.active {
		return
	}
	u.active = false
	for other := range s.units {
		if slices.Contains(s.set.StoppedBy(other), name) {
			s.stop(other)
		}
	}
}

func (s *sim) restart(name string) {
	taken := s.dependents(name, map[string]bool{})
	s.stop(name)
	for other := range taken {
		s.stop(other)
	}
	s.start(name)
	for other := range taken {
		s.start(other)
	}
}

// dependents returns the active units that a restart of name restarts.
func (s *sim) dependents(name string, seen map[string]bool) map[string]bool {
	for other, u := range s.units {
		if u.active && !seen[other] && slices.Contains(s.set.RestartedBy(other), name) {
			seen[other] = true
			s.dependents(other, seen)
		}
	}
	return seen
}

// apply does what the plan says, with the phases in order, and lets every session come to its end.
func (s *sim) apply(p *Plan, new *unitfile.Set) {
	for _, j := range p.Stops() {
		s.stop(j.Unit)
	}
	s.set = new
	for name, u := range s.units {
		if k := kind(name); u.active && (k == "slice" || k == "target") && new.Has(name) {
			u.definition = new.Unit(name)
		}
	}
	for _, j := range p.Jobs() {
		switch j.Verb {
		case "start":
			s.start(j.Unit)
		case "restart":
			s.restart(j.Unit)
		case "reload":
			s.unit(j.Unit).definition = new.Unit(j.Unit)
		}
	}
	for _, e := range p.Endings() {
		for _, name := range append(e.With, e.Unit) {
			s.restart(name)
		}
	}
}

// live shows the host as the activator would find it.
func (s *sim) live() map[string]Live {
	out := map[string]Live{}
	for _, name := range s.set.Names() {
		l := Live{LoadState: "loaded", ActiveState: "inactive", SubState: "dead", Fragment: generatorDir + name}
		if u := s.unit(name); u.active {
			l.ActiveState, l.SubState, l.Running = "active", "running", u.definition
		}
		l.Ran = s.unit(name).ran
		out[name] = l
	}
	return out
}
