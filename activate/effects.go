package activate

import (
	"context"
	"errors"
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
	if err := r.host.Systemd.HoldTimers(r.host.Effects, r.plan.Holds()); err != nil {
		return err
	}
	failed := r.unwilling(ctx, r.do(ctx, r.plan.Stops()))
	for _, unit := range r.forgotten() {
		if err := r.host.Systemd.ResetFailed(ctx, r.host.Effects, unit); err != nil {
			return err
		}
	}
	return failed
}

// forgotten are the units whose failure systemd need not keep: those that go, which may have failed at their stop too.
func (r *run) forgotten() []string {
	var out []string
	for _, s := range r.plan.Units {
		if s.Action == plan.ResetFailed || s.Action == plan.Stop && !r.to.units.Has(s.Unit) {
			out = append(out, s.Unit)
		}
	}
	return out
}

// unwilling kills what did not stop in time. An agent cannot veto a switch by that; of any other unit it is a fault.
func (r *run) unwilling(ctx context.Context, results []systemd.JobResult) error {
	var failed []string
	for _, res := range results {
		if res.OK() {
			continue
		}
		r.host.Log("     %s does not stop: killed", res.Unit)
		why := r.host.Systemd.Explain(ctx, res)
		if err := r.host.Systemd.Kill(ctx, r.host.Effects, res.Unit); err != nil {
			failed = append(failed, err.Error())
		} else if r.agentOf(res.Unit) == "" {
			failed = append(failed, why)
		}
	}
	return joined(failed)
}

// agentOf returns the key of the agent that a unit of the plan belongs to, "" for the project's own.
func (r *run) agentOf(unit string) string {
	for _, s := range r.plan.Units {
		if s.Unit == unit {
			return s.Agent
		}
	}
	return ""
}

// do runs jobs of the plan as one set, so that systemd orders them.
func (r *run) do(ctx context.Context, jobs []plan.Job) []systemd.JobResult {
	var out []systemd.Job
	for _, j := range jobs {
		out = append(out, systemd.Job{Unit: j.Unit, Kind: j.Verb})
	}
	return r.host.Systemd.Jobs(ctx, r.host.Effects, out, r.jobTime(), r.progress)
}

func (r *run) jobTime() time.Duration {
	return time.Duration(r.to.manifest.Activation.Job) * time.Second
}

func (r *run) progress(res systemd.JobResult) {
	r.host.Log("     %-8s %s", res.Kind, res.Unit)
}

func joined(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(faults, "\n"))
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
	if err := r.lose(ctx); err != nil {
		return err
	}
	if err := r.host.Systemd.Reload(ctx, r.host.Effects); err != nil {
		return err
	}
	return r.host.Systemd.VerifyLoaded(ctx, r.to.units, r.anchor(), r.to.number)
}

// lose notes, for the way back too, which sockets and timers that ran systemd has no unit of, since it could not load the
// generation: it has closed the ones and ended the others, and only a restart brings them back.
func (r *run) lose(ctx context.Context) error {
	if r.from == nil {
		return nil
	}
	names := slices.DeleteFunc(r.from.units.Names(), func(name string) bool {
		kind := filepath.Ext(name)
		return kind != ".socket" && kind != ".timer" || r.live[name].ActiveState != "active"
	})
	units, err := r.host.Systemd.Units(ctx, names)
	if err != nil {
		return err
	}
	r.lost = slices.DeleteFunc(names, func(name string) bool { return units[name].LoadState == "loaded" })
	if len(r.lost) == 0 {
		return nil
	}
	return safefile.Write(r.host.Effects, r.profile.Lost(r.txn.Nonce), []byte(strings.Join(r.lost, "\n")+"\n"), 0o600)
}

// revived are jobs with what was lost that the generation has, and that they do not concern.
func (r *run) revived(jobs []plan.Job) []plan.Job {
	var out []plan.Job
	for _, name := range r.lost {
		concerns := func(j plan.Job) bool { return j.Unit == name }
		if slices.Contains(r.to.units.Names(), name) && !slices.ContainsFunc(jobs, concerns) {
			out = append(out, plan.Job{Unit: name, Verb: systemd.Restart})
		}
	}
	return append(out, jobs...)
}
