package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/systemd"
	"fleet/activate/vault"
)

func newSecretRmCmd(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove the value of a secret from this host",
		Long: `Rm removes a value, and what a rotation kept of it. One that the live generation loads is refused, since what loads it
would not start again; with --force it is removed all the same, and what runs with it is stopped.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error { return a.secretRm(cmd.Context(), args[0], force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "also where the live generation needs it")
	return cmd
}

func (a *app) secretRm(ctx context.Context, name string, force bool) error {
	if err := checkSecretName(name, nil); err != nil {
		return err
	}
	h, err := a.secrets("rm")
	if err != nil {
		return err
	}
	if !h.vault.Has(name) && !h.vault.InGrace(name) {
		return withStatus(exitRefused, h.noSecret(name))
	}
	uses := vault.Of(h.uses, name)
	if len(uses) > 0 && !force {
		return withStatus(exitRefused, fmt.Errorf("%s is needed by %s\n"+
			"  hint: take it out of the spec and switch first, or use --force", name, strings.Join(unitsOf(uses), ", ")))
	}
	done := secretDone{Changed: []string{name}, Unchanged: []string{}}
	var failed error
	err = h.locked("rm", func() error {
		err := h.withManager(ctx, func(sd vault.Manager) error { return h.vault.Remove(ctx, sd, name) })
		if err != nil {
			return err
		}
		done.Done, failed = h.spread(ctx, done.Changed, systemd.Stop)
		return nil
	})
	if err != nil {
		return err
	}
	return a.tellSpread(done, "removed", failed)
}

func unitsOf(uses []vault.Use) []string {
	var out []string
	for _, u := range uses {
		out = append(out, u.Unit)
	}
	return out
}
