package activate

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/activate/install"
	"fleet/activate/plan"
	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/users"
	"fleet/schemas/manifest"
)

// makeUsers (P4) adds users, groups and folders, and what is static on a host. A way back does not remove them.
func (r *run) makeUsers(ctx context.Context) error {
	if err := users.Apply(ctx, r.host.Effects, r.to.dir, r.to.manifest); err != nil {
		return err
	}
	if err := r.placeProbe(); err != nil {
		return err
	}
	return install.Host(ctx, r.host.Effects, r.host.Systemd, r.profile.Layout)
}

// stopOld (P6) stops what goes and what must stop with its old definition: after the reload, systemd would not know
// ExecStop= of a unit that is gone.
func (r *run) stopOld(ctx context.Context) error {
	var jobs []systemd.Job
	for _, s := range r.steps(plan.PhaseStop, plan.Stop, plan.Restart) {
		jobs = append(jobs, systemd.Job{Unit: s.Unit, Kind: systemd.Stop})
	}
	results := r.host.Systemd.Jobs(ctx, r.host.Effects, jobs, r.jobTime(), r.progress)
	for _, res := range results {
		if !res.OK() {
			r.host.Log("     %s does not stop: killed", res.Unit)
			if err := r.host.Systemd.Kill(ctx, r.host.Effects, res.Unit); err != nil {
				return fmt.Errorf("stop %s: %w", res.Unit, err)
			}
		}
	}
	if err := r.host.Systemd.HoldTimers(r.host.Effects, r.heldTimers()); err != nil {
		return err
	}
	for _, s := range r.steps(plan.PhaseStop, plan.ResetFailed) {
		if err := r.host.Systemd.ResetFailed(ctx, r.host.Effects, s.Unit); err != nil {
			return err
		}
	}
	return nil
}

// heldTimers are calendar timers with a new schedule, which would fire at once when they are started again.
func (r *run) heldTimers() []string {
	var out []string
	for _, s := range r.plan.Units {
		if s.Hold {
			out = append(out, s.Unit)
		}
	}
	return out
}

func (r *run) jobTime() time.Duration {
	return time.Duration(r.to.manifest.Activation.Job) * time.Second
}

func (r *run) progress(res systemd.JobResult) {
	r.host.Log("     %-8s %s", res.Kind, res.Unit)
}

// firewallScript is the artifact that holds the project's table.
const firewallScript = "libexec/firewall"

// storePath returns where the host keeps the file p of a generation.
func storePath(m *manifest.Manifest, p string) (string, error) {
	i := slices.IndexFunc(m.Files, func(f manifest.File) bool { return f.Path == p })
	if i < 0 || m.Files[i].Store == "" {
		return "", fmt.Errorf("the generation has no %s", p)
	}
	return manifest.StoreDir + "/" + m.Files[i].Store, nil
}

// rules returns the file of a generation's rules.
func rules(g *generation) string {
	return filepath.Join(g.dir, "nftables", g.manifest.Project+".nft")
}

// loadFirewall (P7) loads the new rules beside the live ones in one transaction. On a first switch nothing holds the
// table yet: its unit starts in P10, before any agent.
func (r *run) loadFirewall(ctx context.Context) error {
	unit := "fleet-" + r.req.Project + "-firewall.service"
	if r.from == nil || r.live[unit].ActiveState != "active" {
		return nil
	}
	script, err := storePath(r.from.manifest, firewallScript)
	if err != nil {
		return err
	}
	return system.Run(ctx, r.host.Effects, "load the new rules", "/bin/sh", script, "reload", rules(r.to))
}

// goLive (P8) is the rename by which the generation goes live.
func (r *run) goLive(context.Context) error { return r.profile.SetActive(r.to.number) }

// reload (P9) makes systemd load the units of the live generation, and proves that it did: the exit status of a
// daemon-reload says nothing, a generator that failed gives 0 and units that are not found.
func (r *run) reload(ctx context.Context) error {
	err := r.host.Systemd.Reload(ctx, r.host.Effects)
	if err == nil {
		err = r.host.Systemd.VerifyLoaded(ctx, r.to.units, r.anchor(), r.to.number)
	}
	if err == nil {
		return nil
	}
	r.host.Log("     once more: %v", err)
	if err := r.host.Systemd.Reload(ctx, r.host.Effects); err != nil {
		return err
	}
	return r.host.Systemd.VerifyLoaded(ctx, r.to.units, r.anchor(), r.to.number)
}

// startNew (P10) runs all jobs as one set, so that systemd orders them.
func (r *run) startNew(ctx context.Context) error {
	for _, s := range r.plan.Units {
		if s.Reset {
			if err := r.host.Systemd.ResetFailed(ctx, r.host.Effects, s.Unit); err != nil {
				return err
			}
		}
	}
	for _, s := range r.steps(plan.PhaseRun, plan.Graceful) {
		if err := r.tellToEnd(s.Agent); err != nil {
			return err
		}
	}
	results := r.host.Systemd.Jobs(ctx, r.host.Effects, r.startJobs(), r.jobTime(), r.progress)
	var failed []string
	for _, res := range results {
		if !res.OK() {
			failed = append(failed, r.host.Systemd.Explain(ctx, res))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s", strings.Join(failed, "\n"))
	}
	if err := r.host.Systemd.ReleaseTimers(ctx, r.host.Effects, r.heldTimers()); err != nil {
		return err
	}
	return r.ask(ctx)
}

// startJobs are the jobs of P10: what was stopped in P6 to come back, and all that P10 does itself.
func (r *run) startJobs() []systemd.Job {
	var jobs []systemd.Job
	for _, s := range r.steps(plan.PhaseStop, plan.Restart) {
		jobs = append(jobs, systemd.Job{Unit: s.Unit, Kind: systemd.Start})
	}
	kinds := map[plan.Action]string{plan.Start: systemd.Start, plan.Restart: systemd.Restart, plan.Reload: systemd.Reload}
	for _, s := range r.plan.Units {
		if kind, ok := kinds[s.Action]; ok && s.Phase == plan.PhaseRun {
			jobs = append(jobs, systemd.Job{Unit: s.Unit, Kind: kind})
		}
	}
	return jobs
}

// tellToEnd raises the flag at which the agent's runner ends at its next boundary; systemd then starts the new unit.
func (r *run) tellToEnd(agent string) error {
	return safefile.Write(r.host.Effects, r.profile.EndFlag(agent), []byte("switch\n"), 0o444)
}
