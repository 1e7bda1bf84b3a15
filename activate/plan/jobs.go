package plan

// Job is one request to systemd.
type Job struct {
	Unit string
	Verb string // stop, start, restart or reload
}

// Stops returns the jobs of PhaseStop, which use the old definitions. Units that systemd would take along are named
// too: their jobs are the same ones.
func (p *Plan) Stops() []Job {
	var out []Job
	for _, s := range p.Units {
		if s.Phase == PhaseStop && (s.Action == Stop || s.Action == Restart) {
			out = append(out, Job{s.Unit, "stop"})
		}
	}
	return out
}

// Resets returns the units whose failure is forgotten: before PhaseRun, so that a start limit does not refuse them.
func (p *Plan) Resets() []string {
	var out []string
	for _, s := range p.Units {
		if s.Action == ResetFailed || s.Reset {
			out = append(out, s.Unit)
		}
	}
	return out
}

// Jobs returns the jobs of PhaseRun, to be queued in this order as one set. What a restart takes along comes last, as
// a start: systemd makes that and its own restart of the unit one job.
func (p *Plan) Jobs() []Job {
	var first, last []Job
	for _, s := range p.Units {
		switch {
		case s.Action == Reload:
			first = append(first, Job{s.Unit, "reload"})
		case s.Action == Start || s.Action == Restart && s.Phase == PhaseStop:
			first = append(first, Job{s.Unit, "start"})
		case s.Action == Restart && s.Along == "":
			first = append(first, Job{s.Unit, "restart"})
		case s.Action == Restart:
			last = append(last, Job{s.Unit, "start"})
		}
	}
	return append(first, last...)
}

// Waits returns the units that are on their way to running already.
func (p *Plan) Waits() []string {
	var out []string
	for _, s := range p.Units {
		if s.Action == Wait {
			out = append(out, s.Unit)
		}
	}
	return out
}

// Holds returns the timers that must be started on a held schedule first.
func (p *Plan) Holds() []string {
	var out []string
	for _, s := range p.Units {
		if s.Hold {
			out = append(out, s.Unit)
		}
	}
	return out
}

// Ending is a service that is told to end at its boundary.
type Ending struct {
	Unit  string
	Agent string
	With  []string // units to restart with it when it has ended, since they cannot end by themselves
}

// Endings returns the services that are told to end at their boundary.
func (p *Plan) Endings() []Ending {
	var out []Ending
	for _, s := range p.Units {
		if s.Action != Graceful || s.Along != "" {
			continue
		}
		e := Ending{Unit: s.Unit, Agent: s.Agent}
		for _, w := range p.Units {
			if w.Action == Graceful && w.Along == s.Unit {
				e.With = append(e.With, w.Unit)
			}
		}
		out = append(out, e)
	}
	return out
}
