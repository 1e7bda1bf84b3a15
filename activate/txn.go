package activate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/activate/boottime"
	"fleet/activate/install"
	"fleet/activate/plan"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/schemas/state"
)

// record (P3) writes what undoes this switch, before its first effect.
func (r *run) record(context.Context) error {
	boot, err := boottime.ID()
	if err != nil {
		return err
	}
	bootDefault, err := r.profile.Boot()
	if err != nil {
		return err
	}
	nonce := r.dir.Nonce()
	txn := &state.Txn{
		Version: state.TxnVersion, Project: r.req.Project, Nonce: nonce, Action: r.req.Kind, Phase: "P3",
		From: r.fromNumber(), To: r.to.number, Boot: bootDefault, ID: r.to.manifest.ID, Started: time.Now().UTC(),
		BootID: boot,
		Unit:   r.host.Unit, Timer: deadmanName(r.req.Project, nonce), Limit: r.to.manifest.Activation.Job,
		Confirm: r.req.Confirm > 0,
	}
	if txn.Revert, err = r.revertList(); err != nil {
		return err
	}
	if err := r.profile.SaveTxn(txn); err != nil {
		return errors.Join(err, r.profile.RemoveTxn(nonce)) // nothing was done that it would undo
	}
	r.txn = txn
	return nil
}

// deadmanName has no dash before the project, so that it can never be the name of one of a project's units.
func deadmanName(project, nonce string) string { return "fleetdeadman-" + project + "-" + nonce }

// revertList says how the host comes back to what runs now.
func (r *run) revertList() (state.Revert, error) {
	var out state.Revert
	running, err := r.profile.Running()
	if err != nil {
		return out, err
	}
	for _, name := range r.to.units.Names() {
		if !r.oldHas(name) && name != r.anchor() {
			out.Stop = append(out.Stop, name)
		}
	}
	if r.from == nil {
		return out, nil
	}
	script, err := storePath(r.from.manifest, firewallScript)
	if err != nil {
		return out, err
	}
	out.Firewall = &state.Firewall{Script: script, File: rules(r.from)}
	for _, name := range slices.Sorted(maps.Keys(r.live)) {
		if !r.oldHas(name) || name == r.anchor() || !r.ranBefore(name) {
			continue
		}
		if unitfile.Template(name) != "" && !r.touches(name) {
			continue // somebody started it by hand, and may have ended it since
		}
		u := state.Restore{Unit: name, Digest: running[name].Digest}
		if u.Digest == "" && r.restarts(name) {
			u.Invocation = r.invocations[name]
		}
		out.Units = append(out.Units, u)
	}
	return out, nil
}

func (r *run) oldHas(name string) bool { return r.from != nil && r.from.units.Has(name) }

func (r *run) ranBefore(name string) bool {
	state := r.live[name].ActiveState
	return state == "active" || state == "activating" || state == "reloading"
}

// touches reports whether the switch does anything to the unit, restarts whether it gives it another instance.
func (r *run) touches(name string) bool {
	return slices.ContainsFunc(r.plan.Units, func(s plan.Step) bool { return s.Unit == name && s.Touches() })
}

func (r *run) restarts(name string) bool {
	return slices.ContainsFunc(r.plan.Units, func(s plan.Step) bool {
		return s.Unit == name && (s.Action == plan.Restart || s.Action == plan.Graceful)
	})
}

// armDeadman (P5) starts the timer that undoes the switch should this process not come to its end.
func (r *run) armDeadman(ctx context.Context) error {
	script, err := install.Revert(r.host.Effects, r.profile.Layout, r.txn.Nonce)
	if err != nil {
		return err
	}
	err = r.host.Systemd.ArmTimer(ctx, r.host.Effects, systemd.Deadman{
		Name: r.txn.Timer, After: r.deadline("P5"), Argv: []string{"/bin/sh", script, r.txn.Nonce},
	})
	r.armed = err == nil
	return err
}

// deadline is how long a phase may take before the dead man acts.
func (r *run) deadline(phase string) time.Duration {
	a := r.to.manifest.Activation
	d := time.Duration(a.Deadman) * time.Second
	switch phase {
	case "P6", "P10":
		d = max(d, 2*r.jobTime())
	case "P11":
		rounds := 1 + len(r.started())/probesAtOnce
		d = max(d, 2*time.Duration(a.Health)*time.Second+time.Duration(rounds)*probeTime)
	case "P12":
		d = max(d, r.req.Confirm+30*time.Second)
	}
	return d
}

// confirm (P12) is the commit point, after a person's yes where one was asked for.
func (r *run) confirm(ctx context.Context) error {
	if err := r.awaitPerson(ctx); err != nil {
		return err
	}
	return r.profile.Commit(r.txn)
}

func (r *run) awaitPerson(ctx context.Context) error {
	if r.req.Confirm == 0 {
		return r.ask(ctx)
	}
	if err := r.dir.Await(true); err != nil {
		return err
	}
	defer r.dir.Await(false) //nolint:errcheck // a switch that is over takes no confirmation anyway
	r.host.Log("     waiting %s for `fleet confirm`", r.req.Confirm)
	for end := time.Now().Add(r.req.Confirm); time.Now().Before(end); time.Sleep(healthEvery) {
		if err := r.ask(ctx); err != nil {
			return err
		}
		if r.dir.Confirmed() {
			return nil
		}
	}
	return fmt.Errorf("nobody confirmed within %s", r.req.Confirm)
}
