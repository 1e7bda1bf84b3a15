package activate

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"fleet/activate/boottime"
	"fleet/activate/detach"
	"fleet/activate/install"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/state"
)

// revertTime bounds the way back: it stops and starts what a switch does.
const revertTime = 10 * time.Minute

// revert brings back what was live, by the same script that the dead man runs: one way back, used and tested always. It
// gets a context of its own, since the run's may be what ended.
func (r *run) revert(cause error) detach.Result {
	ctx, cancel := context.WithTimeout(context.Background(), revertTime)
	defer cancel()
	r.host.Log("     %v", cause)
	if r.txn == nil {
		r.dropImport()
		return refused(cause)
	}
	if boot, err := r.profile.Boot(); err == nil && boot == r.txn.To && r.txn.Boot != boot {
		return r.finish(ctx) // it was proved healthy, and boots
	}
	r.host.Log("     going back to %s", r.fromText())
	r.txn.Reason = firstLine(cause.Error())
	if err := r.profile.WriteTxn(r.txn); err != nil {
		r.host.Log("write the reason: %v", err)
	}
	if err := r.rearm(ctx); err != nil {
		r.host.Log("     give the way back its time: %v", err)
	}
	if err := r.goBack(ctx); err != nil {
		return detach.Result{Status: StatusPerson, Message: fmt.Sprintf("%v\nand the way back failed: %v\n"+
			"  hint: the dead man tries again; see journalctl -u %s", cause, err, r.txn.Timer)}
	}
	if err := r.remember(r.verdict(cause), cause.Error()); err != nil {
		r.host.Log("write the history: %v (the next run does it)", err)
	} else if err := r.profile.RemoveTxn(r.txn.Nonce); err != nil {
		r.host.Log("remove the record: %v (the next run does it)", err)
	}
	return detach.Result{
		Status: StatusReverted, Generation: r.fromNumber(),
		Message: fmt.Sprintf("%v\nrolled back: %s runs", cause, r.fromText()),
	}
}

// verdict tells a generation that failed by itself, which is marked and refused from then on, from one that was taken
// back for a reason that lies elsewhere.
func (r *run) verdict(cause error) string {
	failed := map[string]bool{"P9": true, "P10": true, "P11": true}
	if errors.Is(cause, errAborted) || errors.Is(cause, syscall.ENOSPC) || !failed[r.txn.Phase] {
		return state.ResultAborted
	}
	return state.ResultReverted
}

func (r *run) fromText() string {
	if r.from == nil {
		return "nothing, as before the first switch"
	}
	return fmt.Sprintf("generation %d (%s)", r.from.number, r.from.manifest.ID.Short())
}

// goBack runs the revert script for this run's record, then takes the dead man away.
func (r *run) goBack(ctx context.Context) error {
	script, err := install.Revert(r.host.Effects, r.profile.Layout, r.txn.Nonce)
	if err != nil {
		return err
	}
	if r.from != nil {
		r.mendGenerator(ctx)
	}
	if err := runRevert(ctx, r.host.Effects, script, r.txn.Nonce); err != nil {
		return err
	}
	return r.host.Systemd.DisarmTimer(ctx, r.host.Effects, r.txn.Timer)
}

// mendGenerator puts the generator back where it has gone: without it systemd would load the old units no more than the
// new ones.
func (r *run) mendGenerator(ctx context.Context) {
	if err := install.Host(ctx, r.host.Effects, r.host.Systemd, r.profile.Layout); err != nil {
		r.host.Log("     %v", err)
	}
}

// runRevert runs the script in this process's place in the order of things: it holds the lock and is not killed.
func runRevert(ctx context.Context, fx system.Effects, script, nonce string) error {
	return system.Run(ctx, fx, "run the revert script", "/bin/sh", script, nonce, "held")
}

// recover ends what a killed run left: a switch that passed its commit point is finished, any other one is undone.
func (r *run) recover(ctx context.Context) error {
	left, err := r.profile.Unfinished()
	if err != nil {
		return err
	}
	for _, u := range left {
		if u.Txn == nil {
			return fmt.Errorf("the record of an unfinished switch cannot be read: %w\n  hint: move %s away after a look at it",
				u.Err, r.profile.TxnFile(u.Nonce))
		}
		r.host.Log("     ending the unfinished switch to generation %d (%s)", u.Txn.To, u.Txn.Phase)
		if err := r.end(ctx, u); err != nil {
			return fmt.Errorf("end the unfinished switch %s: %w", u.Nonce, err)
		}
	}
	return r.profile.SweepTxn()
}

func (r *run) end(ctx context.Context, u profile.Unfinished) error {
	t := u.Txn
	boot, err := boottime.ID()
	if err != nil {
		return err
	}
	if !u.Committed && !u.Reverted && t.BootID == boot { // a boot leaves nothing that would have to be undone
		script, err := install.Revert(r.host.Effects, r.profile.Layout, t.Nonce)
		if err != nil {
			return err
		}
		if t.From != 0 {
			r.mendGenerator(ctx)
		}
		if err := runRevert(ctx, r.host.Effects, script, t.Nonce); err != nil {
			return err
		}
	}
	if err := r.host.Systemd.DisarmTimer(ctx, r.host.Effects, t.Timer); err != nil {
		return err
	}
	if err := r.rememberEnd(t, u.Committed); err != nil {
		return err
	}
	return r.profile.RemoveTxn(t.Nonce)
}

// rememberEnd appends how an unfinished switch ended. What did not fail by itself is no mark against the generation.
func (r *run) rememberEnd(t *state.Txn, committed bool) error {
	st, err := r.profile.LoadState()
	if err != nil {
		return err
	}
	e := state.Event{
		Time: time.Now().UTC(), Action: t.Action, From: t.From, To: t.To, ID: t.ID, Nonce: t.Nonce,
		Result: state.ResultAborted, Reason: "interrupted in " + t.Phase,
	}
	if committed {
		e.Result, e.Reason = state.ResultOK, ""
		st.Confirm(t.To)
	}
	st.Append(e)
	return r.profile.SaveState(st)
}
