package activate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fleet/activate/plan"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
)

// probeAlone probes once more, where why a probe did not come to its end is not known: with all that runs as the agent
// stopped, since the agent can end whatever else runs as its user. Then the agent is started again.
func (r *run) probeAlone(ctx context.Context, a manifest.Agent, why error) error {
	r.host.Log("     once more, without the agent: %v", why)
	if err := r.rearmFor(ctx, probeTime+2*r.jobTime()); err != nil {
		return err
	}
	stops, err := r.asAgent(ctx, a)
	if err != nil {
		return err
	}
	if err := r.unwilling(ctx, r.do(ctx, stops)); err != nil {
		return err
	}
	if _, err := Probe(ctx, r.host, a); err != nil {
		return err
	}
	if res := r.do(ctx, []plan.Job{{Unit: a.Unit, Verb: systemd.Start}})[0]; !res.OK() {
		return errors.New(r.host.Systemd.Explain(ctx, res))
	}
	return nil
}

// asAgent returns jobs that stop everything that runs as the agent: its service, jobs in progress, operators' terminals.
func (r *run) asAgent(ctx context.Context, a manifest.Agent) ([]plan.Job, error) {
	var names, templates []string
	for _, u := range r.to.manifest.Units {
		switch {
		case u.Agent != a.Key || !strings.HasSuffix(u.Name, ".service") || strings.HasSuffix(u.Name, "-net.service"):
		case unitfile.IsTemplate(u.Name):
			templates = append(templates, u.Name)
		default:
			names = append(names, u.Name)
		}
	}
	units, err := r.host.Systemd.Units(ctx, names, templates...)
	if err != nil {
		return nil, fmt.Errorf("look what runs as %s: %w", a.User, err)
	}
	var stops []plan.Job
	for name, u := range units {
		if u.Running() {
			stops = append(stops, plan.Job{Unit: name, Verb: systemd.Stop})
		}
	}
	return stops, nil
}
