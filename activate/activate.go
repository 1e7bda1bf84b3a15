// Package activate switches a host to a generation. A switch goes live by one rename and becomes the boot default by
// another one, last, after it has proved healthy; whatever kills it in between, the old generation comes back.
package activate

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"fleet/activate/detach"
	"fleet/activate/profile"
)

// The exit statuses with which a run can end.
const (
	StatusDone     = 0
	StatusFailed   = 1
	StatusRefused  = 3 // nothing changed
	StatusPending  = 4 // dry run: changes are pending
	StatusReverted = 5 // failed and rolled back
	StatusPerson   = 6 // failed, and the host needs a person
)

// phase is one step of a switch. Its name is what the txn records and what a person reads.
type phase struct {
	name string
	text string
	do   func(*run, context.Context) error
}

// before are the phases that change nothing which a running fleet depends on: an error in them is a refusal.
var before = []phase{
	{"P0", "check the host", (*run).preflight},
	{"P1", "copy the generation", (*run).importBuild},
	{"P2", "judge the generation", (*run).judge},
}

// effects are the phases that a failure in them undoes.
var effects = []phase{
	{"P3", "record the plan", (*run).record},
	{"P4", "make users and folders", (*run).makeUsers},
	{"P5", "arm the dead man", (*run).armDeadman},
	{"P6", "stop what goes", (*run).stopOld},
	{"P7", "load the firewall", (*run).loadFirewall},
	{"P8", "go live", (*run).goLive},
	{"P9", "reload systemd", (*run).reload},
	{"P10", "start what comes", (*run).startNew},
	{"P11", "watch its health", (*run).watchHealth},
	{"P12", "make it the boot default", (*run).confirm},
}

// Run does what the request in d asks for and returns how it ended. It holds the project's lock for all that time.
func Run(ctx context.Context, h Host, d detach.Dir) detach.Result {
	req, err := d.Request()
	if err != nil {
		return detach.Result{Status: StatusFailed, Message: "read the request: " + err.Error()}
	}
	r := newRun(h, d, req)
	lock, err := r.profile.Lock(profile.Holder{PID: h.PID, What: req.Kind, Target: d.Nonce()})
	if err != nil {
		return busy(err)
	}
	defer lock.Release() //nolint:errcheck // the process ends and the kernel lets go of it
	r.began = time.Now()
	if req.Kind == detach.Rollback {
		return r.rollback(ctx)
	}
	return r.switchTo(ctx)
}

// busy is the result of a request that came while somebody was at work.
func busy(err error) detach.Result {
	out := refused(err)
	if b := (*profile.Busy)(nil); errors.As(err, &b) {
		out.Holder = b.Holder.Target
	}
	return out
}

func refused(err error) detach.Result {
	return detach.Result{Status: StatusRefused, Message: err.Error()}
}

// switchTo takes the run through all phases.
func (r *run) switchTo(ctx context.Context) detach.Result {
	if err := r.walk(ctx, before); err != nil {
		r.dropImport()
		return refused(err)
	}
	if r.req.Boot {
		return r.bootOnly(ctx)
	}
	if r.nothingToDo() {
		return detach.Result{Generation: r.to.number, ID: string(r.to.manifest.ID), Message: r.liveText()}
	}
	if err := r.walk(ctx, effects); err != nil {
		return r.revert(err)
	}
	return r.finish(ctx)
}

// walk does phases in order. A person's wish to go back is looked for between any two.
func (r *run) walk(ctx context.Context, phases []phase) error {
	for _, p := range phases {
		if r.dir.Aborted() {
			return errAborted
		}
		if err := r.enter(ctx, p); err != nil {
			return phaseError(p, err)
		}
		began := time.Now()
		if err := p.do(r, ctx); err != nil {
			return phaseError(p, err)
		}
		r.took = append(r.took, detach.Took{Phase: p.name, Text: p.text, Seconds: time.Since(began).Seconds()})
	}
	return nil
}

// phaseError says what the run was at, and the remedy where the host lacks room.
func phaseError(p phase, err error) error {
	hint := ""
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		hint = "\n  hint: free some space, or run `fleet gc`"
	}
	return fmt.Errorf("%s (%s): %w%s", p.text, p.name, err, hint)
}

// errAborted says that a person asked to go back.
var errAborted = errors.New("aborted by a person")

// enter notes the phase for whoever has to undo it, and moves the dead man's time away.
func (r *run) enter(ctx context.Context, p phase) error {
	r.host.Log("%-4s %s", p.name, p.text)
	if r.txn == nil {
		return nil
	}
	r.txn.Phase = p.name
	if err := r.profile.WriteTxn(r.txn); err != nil {
		return err
	}
	return r.rearm(ctx)
}

// rearm moves the dead man's time away, where he is armed.
func (r *run) rearm(ctx context.Context) error {
	return r.rearmFor(ctx, 0)
}

// rearmFor gives the phase that much time beyond its own. Several may ask at once.
func (r *run) rearmFor(ctx context.Context, more time.Duration) error {
	r.arming.Lock()
	defer r.arming.Unlock()
	if !r.armed {
		return nil
	}
	return r.host.Systemd.RearmTimer(ctx, r.host.Effects, r.txn.Timer, r.deadline(r.txn.Phase)+more)
}
