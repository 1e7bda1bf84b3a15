package plan

import (
	"fmt"

	"fleet/activate/unitfile"
)

// reach returns what the target and the links in folders of units outside the set pull in, by the files alone.
func reach(s *unitfile.Set, target string) map[string]bool {
	seen := map[string]bool{}
	todo := append(s.External(), target)
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[name] || !s.Has(name) {
			continue
		}
		seen[name] = true
		todo = append(todo, s.Pulls(name)...)
	}
	return seen
}

// mean finds out what must run after the switch: what a running or new root pulls in, but for what a person stopped
// and what only that would have pulled in.
func (p *planner) mean() {
	todo := append(p.in.New.External(), p.in.Target)
	for i, name := range todo {
		if u := p.units[name]; u != nil && !p.rootRuns(u) {
			u.held, todo[i] = "stopped by a person", ""
		}
	}
	seen := map[*unit]bool{}
	for len(todo) > 0 {
		u := p.units[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if u == nil || u.new == nil || seen[u] {
			continue
		}
		seen[u] = true
		if u.held = p.holds(u, map[string]bool{}); u.held != "" {
			continue
		}
		u.meant = !p.in.Revert || p.in.Ran == nil || p.in.Ran[u.name]
		todo = append(todo, p.in.New.Pulls(u.name)...)
	}
}

// rootRuns reports whether a root is there or about to be. One that a person stopped stays stopped with all its
// members.
func (p *planner) rootRuns(u *unit) bool {
	return p.in.Revert || !p.in.Old.Has(u.name) || u.live.up() || u.live.moving() || !u.live.Ran
}

// holds returns why the unit is not started, "" where nothing holds it.
func (p *planner) holds(u *unit, seen map[string]bool) string {
	if seen[u.name] {
		return ""
	}
	seen[u.name] = true
	agent := p.agent(u)
	switch {
	case u.live.masked():
		return "masked by the administrator"
	case p.in.Stopped[agent] && !u.live.up() && !u.live.moving():
		return "agent " + agent + " is stopped"
	case u.live.leaving():
		return "being stopped by a person"
	case p.stoppedByPerson(u):
		return "stopped by a person"
	}
	if u.live.up() || u.live.moving() {
		return ""
	}
	for _, need := range p.in.New.Needs(u.name) {
		n := p.units[need]
		if n == nil {
			continue
		}
		if why := p.holds(n, seen); why != "" {
			return fmt.Sprintf("requires %s: %s", need, why)
		}
	}
	return ""
}

// stoppedByPerson reports whether the unit ran, should run, and was stopped without a fault of its own or of what it
// requires. A unit that ends by itself is none.
func (p *planner) stoppedByPerson(u *unit) bool {
	if p.in.Revert || !u.live.down() || u.live.Job != "" || !u.live.Ran || !p.pulledOld[u.name] || endsByItself(u.old) {
		return false
	}
	for _, need := range p.in.Old.Needs(u.name) {
		if p.in.Live[need].failed() {
			return false
		}
	}
	return p.trigger(p.in.Old, u.name, ".socket") == "" && p.trigger(p.in.Old, u.name, ".timer") == ""
}

// endsByItself reports whether a service is over when it has done its work.
func endsByItself(u unitfile.Unit) bool {
	return u.Last("Service", "Type") == "oneshot" && !u.Bool("Service", "RemainAfterExit")
}

// trigger returns the unit of the given type that starts name, "" where there is none.
func (p *planner) trigger(s *unitfile.Set, name, ext string) string {
	for _, t := range s.TriggeredBy(name, ext) {
		return t
	}
	return ""
}

// agent returns the key of the agent that the unit belongs to.
func (p *planner) agent(u *unit) string {
	if u.new != nil {
		return u.new.Last("Unit", "X-Fleet-Agent")
	}
	return u.old.Last("Unit", "X-Fleet-Agent")
}
