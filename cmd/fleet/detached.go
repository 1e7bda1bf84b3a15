package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate"
	"fleet/activate/detach"
	"fleet/activate/preflight"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
)

// detachedCommand is the hidden command that does a switch apart from a terminal.
const detachedCommand = "__switch"

// detached starts the request in a transient unit and shows its progress until it has ended. A switch to the same
// generation that is under way already is shown instead.
func (a *app) detached(ctx context.Context, h hostView, req detach.Request) error {
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return withStatus(exitRefused, fmt.Errorf("reach systemd: %w\n  hint: to try a fleet on this host run `fleet try`", err))
	}
	defer sd.Close()
	d, err := a.underWay(h, req)
	if err != nil {
		return err
	}
	if d == "" {
		if d, err = a.begin(ctx, h, sd, req); err != nil {
			return err
		}
	}
	return a.follow(ctx, sd, d, req)
}

// underWay returns the running switch to the same generation, "" where nothing is under way, and an error that names
// the holder where something else is.
func (a *app) underWay(h hostView, req detach.Request) (detach.Dir, error) {
	lock, err := h.Lock(profile.Holder{PID: os.Getpid(), What: profile.Look})
	if err == nil {
		return "", lock.Release()
	}
	var busy *profile.Busy
	if !errors.As(err, &busy) {
		return "", nil //nolint:nilerr // a host without its folders has no switch under way
	}
	d, openErr := detach.Open("", req.Project, busy.Holder.Target)
	if openErr != nil {
		return "", withStatus(exitRefused, err)
	}
	if !same(d, req) {
		return "", withStatus(exitRefused, fmt.Errorf("%w\n  hint: wait for it, or take it back with fleet abort", busy))
	}
	a.log.Infof("a switch to %s is under way, this is its progress", short8(req.ID))
	return d, nil
}

// same reports whether the request in d is for the same as req.
func same(d detach.Dir, req detach.Request) bool {
	other, err := d.Request()
	return err == nil && other.ID == req.ID && other.Kind == req.Kind
}

func short8(id string) string { return id[:min(8, len(id))] }

// switchUnit has no dash before the project, so that it is never the name of one of a project's units.
func switchUnit(project, nonce string) string {
	return "fleetswitch-" + project + "-" + nonce + ".service"
}

func (a *app) begin(ctx context.Context, h hostView, sd *systemd.Manager, req detach.Request) (detach.Dir, error) {
	fx := system.Default()
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	if r := preflight.Store("", uint64(self.Size())); r.Failed() { //nolint:gosec // a size is not negative
		return "", r.Err()
	}
	// A collection, such as the end of another project's switch, would remove the copy before it is executed.
	lock, err := h.LockStore(ctx, holder(req.Kind))
	if err != nil {
		return "", withStatus(exitRefused, err)
	}
	defer lock.Release() //nolint:errcheck // the kernel lets go in any case
	tool, err := activate.PlaceTool(fx, h.Layout)
	if err != nil {
		return "", fmt.Errorf("copy this program to the host's store: %w", err)
	}
	d, err := detach.New("", req)
	if err != nil {
		return "", err
	}
	err = sd.StartDetached(ctx, fx, systemd.Detached{
		Unit: switchUnit(req.Project, d.Nonce()), Description: "fleet " + req.Kind + " of " + req.Project,
		Argv: []string{tool, detachedCommand, req.Project, d.Nonce()}, Output: d.Progress(),
	})
	return d, err
}

// follow shows a switch until it has ended. An interrupt leaves it.
func (a *app) follow(ctx context.Context, sd *systemd.Manager, d detach.Dir, req detach.Request) error {
	unit := switchUnit(req.Project, d.Nonce())
	res, err := detach.Follow(ctx, d, a.log.Out, func() bool { return sd.Running(context.WithoutCancel(ctx), unit) })
	if errors.Is(err, context.Canceled) {
		return withStatus(exitFailed, errors.New("left; the switch goes on\n"+
			"  hint: fleet switch shows it again, fleet status tells its result, fleet abort takes it back"))
	}
	if errors.Is(err, detach.ErrDied) {
		return a.died(d, req.Project, unit)
	}
	if err != nil {
		return err
	}
	if res.Status == exitDone {
		return a.result(res, res.Message)
	}
	if other, err := detach.Open("", req.Project, res.Holder); err == nil && same(other, req) {
		return a.follow(ctx, sd, other, req) // another client was quicker by a moment
	}
	if a.json {
		if err := a.result(res, ""); err != nil {
			return err
		}
		return withStatus(res.Status, nil)
	}
	return withStatus(res.Status, errors.New(strings.TrimRight(res.Message, "\n")))
}

// died tells how the host stands after a switch that was killed.
func (a *app) died(d detach.Dir, project, unit string) error {
	why := "\n  hint: fleet status tells when it has, journalctl -u " + unit + " why it was"
	left, err := a.host(project).Unfinished()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(left, func(u profile.Unfinished) bool { return u.Nonce == d.Nonce() })
	switch {
	case i < 0:
		why = "the switch was killed before it changed what runs, or when it was through\n  hint: run it again"
	case left[i].Committed:
		why = "the switch was killed when it was through: its generation is live and boots\n  hint: the next run tidies up"
	case left[i].Reverted:
		why = "the switch was killed and the dead man has brought the generation before back" + why
	default:
		why = "the switch was killed; the dead man brings the generation before back" + why
	}
	return withStatus(exitPerson, errors.New(why))
}

func newDetachedCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: detachedCommand + " PROJECT NONCE", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := detach.Open("", args[0], args[1])
			if err != nil {
				return err
			}
			sd, err := systemd.Connect(cmd.Context())
			if err != nil {
				return err
			}
			defer sd.Close()
			res := activate.Run(cmd.Context(), activate.Host{
				Layout: profile.Layout{Project: args[0]}, Effects: system.Default(), Systemd: sd, PID: os.Getpid(),
				Unit: switchUnit(args[0], args[1]), Tool: "/proc/self/exe", Log: func(f string, v ...any) { a.print(f+"\n", v...) },
			}, d)
			return d.Finish(res)
		},
	}
}
