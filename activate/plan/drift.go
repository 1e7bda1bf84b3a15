package plan

import (
	"path"

	"fleet/schemas/manifest"
)

// Drift is something on the host that is not as its generation says. A switch respects and reports it.
type Drift struct {
	Unit string `json:"name"`
	Kind string `json:"kind"` // one of the Drift constants
	Text string `json:"text"`
}

// The kinds of drift.
const (
	DriftStopped  = "stopped"
	DriftMasked   = "masked"
	DriftOverride = "override" // a whole unit file of the administrator's
	DriftDropIn   = "drop-in"
	DriftReload   = "reload"  // files changed since systemd read them
	DriftManual   = "manual"  // runs an older definition until a person restarts it
	DriftUnknown  = "unknown" // nobody knows what it runs from
)

func (p *planner) drift() []Drift {
	out := []Drift{}
	for _, u := range p.all {
		add := func(kind, text string) { out = append(out, Drift{Unit: u.name, Kind: kind, Text: text}) }
		switch {
		case u.live.masked():
			add(DriftMasked, "masked by the administrator; left alone")
		case u.override != "":
			add(DriftOverride, "loaded from "+u.override+" instead; left alone")
		case u.held != "":
			add(DriftStopped, u.held+"; stays so")
		}
		for _, d := range u.live.DropIns {
			if path.Base(path.Dir(d.Path)) == kind(u.name)+".d" {
				continue // for every unit of its type, such as a distribution's
			}
			add(DriftDropIn, "changed by "+d.Path)
		}
		if u.live.NeedReload {
			add(DriftReload, "its files changed since systemd read them")
		}
		if u.live.Unknown {
			add(DriftUnknown, "what it runs from is not known")
		}
		if u.step != nil && u.step.Action == Manual && policy(u.new) == manifest.OnChangeManual {
			add(DriftManual, "runs its old definition until a person restarts it")
		}
	}
	return out
}
