package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"fleet/activate/systemd"
	"fleet/activate/vault"
)

func newSecretSetCmd(a *app) *cobra.Command {
	var f valueFlags
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Set the value of a secret",
		Long: `Set encrypts a value into the vault, in place of what was there, and restarts the gates and sidecars that use it. An
agent is never restarted; one that holds the value itself gets it when its session starts again.` + valueHelp,
		Example: `  sudo fleet secret set GITHUB_TOKEN
  sudo fleet secret set GITHUB_TOKEN --from-command 'pass show github/token'
  sudo fleet secret set DEPLOY_KEY --from-file deploy_key`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error { return a.secretSet(cmd.Context(), args[0], f) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) secretSet(ctx context.Context, name string, f valueFlags) error {
	if err := errors.Join(f.check(), checkSecretName(name, nil)); err != nil {
		return err
	}
	h, err := a.secrets("set")
	if err != nil {
		return err
	}
	a.mind(h, name)
	value, err := a.readValue(ctx, f, name)
	if err != nil {
		return err
	}
	defer value.Wipe()
	return a.secretPut(ctx, h, "set", []vault.Entry{{Name: name, Value: value}}, nil)
}

// secretPut sets values and lets their users have them.
func (a *app) secretPut(ctx context.Context, h *secretHost, command string, entries []vault.Entry, left []string) error {
	if err := h.absent(entries); err != nil {
		return err
	}
	done := secretDone{Changed: []string{}, Unchanged: []string{}, Left: left}
	var failed error
	err := h.locked(command, func() error {
		changed, err := h.vault.Put(ctx, entries)
		if err != nil {
			return err
		}
		done.Changed = append(done.Changed, changed...)
		if err := h.dropUnreadable(ctx, changed); err != nil {
			return err
		}
		done.Done, failed = h.spread(ctx, changed, systemd.Restart)
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(done.Changed, e.Name) {
			done.Unchanged = append(done.Unchanged, e.Name)
		}
	}
	return a.tellSpread(done, "set", failed)
}
