package activate

import (
	"context"
	"fmt"
	"strings"

	"fleet/activate/detach"
	"fleet/activate/profile"
	"fleet/schemas/fleet"
	"fleet/schemas/state"
)

// finish (P13) does what is left after the commit point. Nothing in it can undo the switch; what fails here is done by
// the next run, with all that comes after it: the record of the switch goes only when the history has it.
func (r *run) finish(ctx context.Context) detach.Result {
	out := detach.Result{
		Generation: r.to.number, ID: string(r.to.manifest.ID), Waiting: r.waiting(), Message: r.doneText(),
		Took: r.took,
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"disarm the dead man", func() error { return r.host.Systemd.DisarmTimer(ctx, r.host.Effects, r.txn.Timer) }},
		{"write the history", func() error { return r.remember(state.ResultOK, "") }},
		{"remove the record", func() error { return r.profile.RemoveTxn(r.txn.Nonce) }},
		{"collect old generations", func() error { return r.collect(ctx) }},
		{"take absent secrets out of the vault", func() error { return r.removeAbsent(ctx) }},
	} {
		if err := step.do(); err != nil {
			r.host.Log("P13  %s: %v (the next run does it)", step.what, err)
			break
		}
	}
	return out
}

func (r *run) collect(ctx context.Context) error {
	_, err := r.profile.Collect(ctx, profile.GC{Retention: r.to.manifest.Retention})
	return err
}

// removeAbsent takes the values of secrets that nobody shall have any more out of the vault. A generation before that
// uses one wants it set again.
func (r *run) removeAbsent(ctx context.Context) error {
	v := r.vault()
	for _, s := range r.to.manifest.Secrets {
		if s.Disposition != fleet.Absent || !v.Has(s.Name) {
			continue
		}
		if err := v.Remove(ctx, r.host.Systemd, s.Name); err != nil {
			return err
		}
		r.host.Log("P13  %s is absent: its value is gone from the vault", s.Name)
	}
	return nil
}

func (r *run) doneText() string {
	text := fmt.Sprintf("generation %d (%s) is live and the boot default", r.to.number, r.to.manifest.ID.Short())
	if w := r.waiting(); len(w) > 0 {
		text += fmt.Sprintf("; %s change after the session in progress", strings.Join(w, ", "))
	}
	return text
}

// bootOnly makes the generation the boot default and leaves what runs alone.
func (r *run) bootOnly(ctx context.Context) detach.Result {
	r.req.Kind = state.ActionBoot
	if err := r.makeUsers(ctx); err != nil {
		return detach.Result{Status: StatusFailed, Message: err.Error()}
	}
	if err := r.profile.Confirm(r.to.number); err != nil {
		return detach.Result{Status: StatusFailed, Message: err.Error()}
	}
	if err := r.remember(state.ResultOK, ""); err != nil {
		r.host.Log("write the history: %v", err)
	}
	return detach.Result{
		Generation: r.to.number, ID: string(r.to.manifest.ID),
		Message: fmt.Sprintf("generation %d (%s) runs from the next boot on", r.to.number, r.to.manifest.ID.Short()),
	}
}

// rollback switches to the first of the wanted generation and its fallbacks that is whole.
func (r *run) rollback(ctx context.Context) detach.Result {
	damaged := ""
	for _, n := range append([]int{r.req.Number}, r.req.Fallbacks...) {
		if _, err := r.profile.Verify(n); err != nil {
			damaged += fmt.Sprintf("generation %d is damaged: %s\n", n, firstLine(err.Error()))
			r.host.Log("     generation %d is damaged, trying the one before", n)
			continue
		}
		r.req.Number = n
		out := r.switchTo(ctx)
		if damaged != "" && out.Status == StatusDone {
			out.Status = StatusReverted
		}
		out.Message = damaged + out.Message
		return out
	}
	return detach.Result{Status: StatusPerson, Message: damaged + "no good generation is left to go back to\n" +
		"  hint: switch to a build: fleet switch ./generations/latest"}
}
