package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/systemd"
	"fleet/activate/vault"
)

// rotateFlags are the flags of `fleet secret rotate`.
type rotateFlags struct {
	value valueFlags
	grace time.Duration
	end   bool
}

func newSecretRotateCmd(a *app) *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Set a new value and keep the old one for a while, only to hide it",
		Long: `Rotate does what set does, and keeps the value before as NAME.previous until the grace ends: a gate that loads it takes
it out of what comes back from hosts, and sends it nowhere. A timer of systemd's ends the grace, after a reboot too; a gate
that still runs then goes on hiding the old value.` + valueHelp,
		Example: `  sudo fleet secret rotate GITHUB_TOKEN --grace 24h
  sudo fleet secret rotate GITHUB_TOKEN --end`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error { return a.secretRotate(cmd.Context(), args[0], f) },
	}
	f.value.add(cmd)
	cmd.Flags().DurationVar(&f.grace, "grace", time.Hour, "how `long` the old value is kept, such as 30m or 24h")
	cmd.Flags().BoolVar(&f.end, "end", false, "end the grace of an earlier rotation now")
	return cmd
}

func (f rotateFlags) check() error {
	switch {
	case f.end && f.value != (valueFlags{}):
		return usage(errors.New("--end takes no value"))
	case f.grace < vault.MinGrace || f.grace > vault.MaxGrace:
		return usage(fmt.Errorf("--grace must be from %s to %s, is %s", vault.MinGrace, vault.MaxGrace, f.grace))
	}
	return f.value.check()
}

func (a *app) secretRotate(ctx context.Context, name string, f rotateFlags) error {
	if err := errors.Join(f.check(), checkSecretName(name, nil)); err != nil {
		return err
	}
	h, err := a.secrets("rotate")
	if err != nil {
		return err
	}
	if f.end {
		return a.secretEndGrace(ctx, h, name)
	}
	if !h.vault.Has(name) {
		return withStatus(exitRefused, h.noSecret(name))
	}
	value, err := a.readValue(ctx, f.value, name)
	if err != nil {
		return err
	}
	defer value.Wipe()
	return a.rotateTo(ctx, h, vault.Entry{Name: name, Value: value}, f.grace)
}

// rotateTo needs systemd for the grace, so that this is found out first.
func (a *app) rotateTo(ctx context.Context, h *secretHost, e vault.Entry, grace time.Duration) error {
	if err := h.absent([]vault.Entry{e}); err != nil {
		return err
	}
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return withStatus(exitRefused, err)
	}
	defer sd.Close()
	done := secretDone{Changed: []string{e.Name}, Unchanged: []string{}}
	end := time.Now().Add(grace)
	var failed error
	err = h.locked("rotate", func() error {
		if err := h.vault.Rotate(ctx, e.Name, e.Value); err != nil {
			return withStatus(exitRefused, err)
		}
		if err := h.vault.StartGrace(ctx, sd, e.Name, end); err != nil {
			failed = fmt.Errorf("the old value stays until sudo fleet secret rotate %s --end: %w", e.Name, err)
		}
		var err error
		done.Done, err = h.spread(ctx, done.Changed, systemd.Restart)
		failed = errors.Join(failed, err)
		return nil
	})
	if err != nil {
		return err
	}
	return a.tellSpread(done, "rotated; the old value is kept until "+end.Format("2006-01-02 15:04:05"), failed)
}

// secretEndGrace removes what a rotation kept.
func (a *app) secretEndGrace(ctx context.Context, h *secretHost, name string) error {
	if !h.vault.InGrace(name) {
		return a.result(map[string]any{"ended": false}, name+": nothing is kept of it, nothing to do")
	}
	err := h.locked("rotate", func() error { return h.endGrace(ctx, name) })
	if err != nil {
		return err
	}
	return a.result(map[string]any{"ended": true}, name+": the old value is removed")
}

// endGrace ends a grace.
func (h *secretHost) endGrace(ctx context.Context, name string) error {
	return h.withManager(ctx, func(sd vault.Manager) error { return h.vault.EndGrace(ctx, sd, name) })
}

// withManager calls f with systemd's manager, or with none where there is none to reach: a timer then only stays in its
// memory.
func (h *secretHost) withManager(ctx context.Context, f func(vault.Manager) error) error {
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return f(nil)
	}
	defer sd.Close()
	return f(sd)
}

// dropUnreadable removes old values that this host cannot decrypt any more: with one, no gate would start.
func (h *secretHost) dropUnreadable(ctx context.Context, names []string) error {
	for _, name := range names {
		if !h.vault.Has(vault.Previous(name)) {
			continue
		}
		old, err := h.vault.Read(ctx, vault.Previous(name))
		old.Wipe()
		if err == nil {
			continue
		}
		if err := h.endGrace(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// noSecret says that the vault has no such value, and which one may have been meant.
func (h *secretHost) noSecret(name string) error {
	have, err := h.vault.Names()
	if err != nil {
		return err
	}
	hint := "sudo fleet secret set " + name
	if near := vault.Nearest(name, have); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fmt.Errorf("%s has no value on this host\n  hint: %s", name, hint)
}
