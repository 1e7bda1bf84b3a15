// Package plan decides what a switch does to each unit. It is pure: what runs now, the old and the new generation in,
// steps out. The units of a generation are compared by meaning, and what counts on the old side is what runs, not what
// is loaded.
package plan

import (
	"path"
	"slices"
	"strings"

	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Action is what is done to a unit.
type Action string

// The actions. None and Manual change nothing; they tell a person why.
const (
	Stop        Action = "stop"
	ResetFailed Action = "reset-failed"
	Start       Action = "start"
	Restart     Action = "restart"
	Reload      Action = "reload"
	Graceful    Action = "graceful" // told to end at its boundary; systemd starts the new unit then
	Apply       Action = "apply"    // daemon-reload does it: slices and targets
	Wait        Action = "wait"     // is on its way to a state already
	Manual      Action = "manual"   // left for a person to restart
	None        Action = "none"
)

// Phase is the phase of a switch in which a step begins.
type Phase int

// A Restart of PhaseStop is a stop with the old definition before the daemon-reload and a start after it.
const (
	PhaseStop   Phase = 6
	PhaseReload Phase = 9
	PhaseRun    Phase = 10
)

// Step is what happens to one unit.
type Step struct {
	Unit    string            `json:"name"`
	Action  Action            `json:"action"`
	Because string            `json:"because"`
	Policy  string            `json:"policy,omitempty"` // of the unit's X-Fleet-OnChange=, where it decided
	Agent   string            `json:"agent,omitempty"`
	Phase   Phase             `json:"phase"`
	Changes []unitfile.Change `json:"changes,omitempty"`
	Along   string            `json:"along,omitempty"` // the unit whose stop, restart or end takes this one along
	Reset   bool              `json:"reset,omitempty"` // has failed, which is forgotten before it is started
	Hold    bool              `json:"hold,omitempty"`  // a calendar timer, which would fire at once when started again
}

// Touches reports whether the step changes anything of the unit.
func (s Step) Touches() bool { return s.Action != None && s.Action != Manual }

// Plan is what a switch does.
type Plan struct {
	Units     []Step  `json:"units"`
	Drift     []Drift `json:"drift"`
	Untouched int     `json:"untouched"`
}

// Live is what the host says of a unit. The zero value is a unit that is not loaded.
type Live struct {
	LoadState   string
	ActiveState string
	SubState    string
	Result      string // of a failed unit
	Fragment    string // file that it is loaded from
	DropIns     []DropIn
	NeedReload  bool
	Job         string // type of the job that is queued for it, "" for none
	Ran         bool   // has been active since the boot

	Running unitfile.Unit // what the running instance was started from; nil: what the old generation says
	Unknown bool          // it runs, and what it was started from cannot be found out
}

// DropIn is a drop-in of the administrator's: one that no generation holds.
type DropIn struct {
	Path string
	Unit unitfile.Unit
}

// Input is all that a plan depends on.
type Input struct {
	Old     *unitfile.Set // what is live; nil on a first switch
	New     *unitfile.Set
	Live    map[string]Live // the units of both, and instances of their templates
	Anchor  string          // never touched: what requires it would go with it
	Target  string          // pulls in all else
	Stopped map[string]bool // agents stopped by `fleet stop`

	Now    bool              // do not wait for sessions in progress
	AtOnce map[string]string // agents that must not go on as they are, with the reason, such as a secret taken away

	// Revert is set on the way back: nothing waits, and just the units of Ran, those that ran before the switch, are
	// started.
	Revert bool
	Ran    map[string]bool
}

// Make returns the plan. The error is a *report.Err where the switch must be refused.
func Make(in Input) (*Plan, error) {
	if in.Old == nil {
		in.Old = &unitfile.Set{}
	}
	p := newPlanner(in)
	if err := p.conflicts(); err != nil {
		return nil, err
	}
	for _, u := range p.all {
		p.decide(u)
	}
	p.sockets()
	p.settle()
	return p.result(), nil
}

// unit is one unit while the plan is made.
type unit struct {
	name     string
	live     Live
	old      unitfile.Unit // what runs, or would by the old generation; nil where that lacks it
	new      unitfile.Unit
	changes  []unitfile.Change
	meant    bool   // must run after the switch
	held     string // why it is not started although it should run
	override string // file of the administrator's that outranks ours
	step     *Step
}

type planner struct {
	in                   Input
	all                  []*unit
	units                map[string]*unit
	pulledOld, pulledNew map[string]bool // by the files alone
}

func newPlanner(in Input) *planner {
	p := &planner{in: in, units: map[string]*unit{}}
	p.pulledOld, p.pulledNew = reach(in.Old, in.Target), reach(in.New, in.Target)
	for _, name := range names(in) {
		u := &unit{name: name, live: in.Live[name], old: in.Old.Unit(name), new: in.New.Unit(name)}
		u.override = u.live.override()
		if u.live.Running != nil && !u.live.down() && !u.live.failed() {
			u.old = runsFrom(u.live.Running, u.old, u.new)
		}
		u.old, u.new = merge(u.old, u.live.DropIns), merge(u.new, u.live.DropIns)
		u.changes = unitfile.Diff(u.old, u.new)
		p.units[name] = u
		p.all = append(p.all, u)
	}
	p.mean()
	return p
}

// runsFrom returns what a unit runs from. What a reload brings up to date is that of the live generation, not of the
// text that the unit was started from: the switch to that generation reloaded it.
func runsFrom(from, live, next unitfile.Unit) unitfile.Unit {
	if live == nil {
		return from
	}
	if next != nil && policy(next) == manifest.OnChangeReload {
		return live
	}
	out := from.Merge()
	for _, k := range []struct{ section, key string }{{"Service", "ExecReload"}, {"Unit", unitfile.ReloadTrigger}} {
		delete(out[k.section], k.key)
		if values := live[k.section][k.key]; values != nil {
			out = out.Merge(unitfile.Unit{k.section: {k.key: values}})
		}
	}
	return out
}

// names returns every unit that the plan speaks of, sorted: those of both sets and instances of their templates that
// the host has.
func names(in Input) []string {
	out := append(in.Old.Names(), in.New.Names()...)
	for name := range in.Live {
		if unitfile.Template(name) != "" && (in.Old.Has(name) || in.New.Has(name)) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(n string) bool { return n == in.Anchor })
}

func merge(u unitfile.Unit, dropIns []DropIn) unitfile.Unit {
	if u == nil {
		return nil
	}
	var parts []unitfile.Unit
	for _, d := range dropIns {
		parts = append(parts, d.Unit)
	}
	return u.Merge(parts...)
}

// conflicts refuses a unit of the new generation whose name somebody else's unit has already.
func (p *planner) conflicts() error {
	var r report.Report
	for _, u := range p.all {
		if u.override == "" || p.in.Old.Has(u.name) || !p.in.New.Has(u.name) {
			continue
		}
		r.Add(report.Entry{
			Where: "host", Path: u.name, Message: "is a unit of somebody else's already: " + u.override,
			Hint: "rename the agent or the project, or remove that unit",
		})
	}
	return r.Err()
}

func (p *planner) result() *Plan {
	out := &Plan{Units: []Step{}, Drift: p.drift()}
	for _, u := range p.all {
		switch {
		case u.step != nil && u.step.Touches():
			out.Units = append(out.Units, *u.step)
		case u.step != nil:
			out.Units = append(out.Units, *u.step)
			out.Untouched++
		case u.new != nil:
			out.Untouched++
		}
	}
	slices.SortStableFunc(out.Units, func(a, b Step) int {
		if a.Phase != b.Phase {
			return int(a.Phase - b.Phase)
		}
		return order[a.Action] - order[b.Action]
	})
	return out
}

var order = map[Action]int{
	Stop: 0, ResetFailed: 1, Restart: 2, Start: 3, Reload: 4, Apply: 5, Graceful: 6, Wait: 7, Manual: 8, None: 9,
}

func kind(name string) string { return strings.TrimPrefix(path.Ext(name), ".") }
