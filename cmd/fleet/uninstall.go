package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"fleet/activate"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/vault"
)

func newUninstallCmd(a *app) *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop a project and take it off this host",
		Long: `Uninstall stops everything of the project and removes its units, rules, scripts and history. Users, their homes and
the values of secrets stay, unless --purge is given: then they go too, with all that agents left in them. It also removes
the values that an earlier uninstall left.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot("uninstall"); err != nil {
				return err
			}
			all, err := profile.Layout{}.Projects()
			if err != nil {
				return err
			}
			if left := a.leftVault(all); purge && left != "" {
				return a.purgeVault(cmd.Context(), left)
			}
			if len(all) == 0 {
				return a.result(map[string]any{"removed": false}, "this host runs no fleet, nothing to do")
			}
			h, lock, err := a.lockHost("uninstall")
			if err != nil {
				return err
			}
			defer lock.Release() //nolint:errcheck // the process ends and the kernel lets go of it
			sd, err := systemd.Connect(cmd.Context())
			if err != nil {
				return withStatus(exitRefused, err)
			}
			defer sd.Close()
			err = activate.Uninstall(cmd.Context(), activate.Host{
				Layout: h.Layout, Effects: system.Default(), Systemd: sd, PID: os.Getpid(), Log: a.log.Infof,
			}, purge)
			if err != nil {
				return errors.Join(errors.New("not all could be removed; run it again"), err)
			}
			return a.result(map[string]any{"removed": true, "project": h.Project}, h.Project+" is removed from this host")
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove its users, their homes and the values of secrets")
	return cmd
}

// leftVault returns the project that is meant where all that the host has of it is its vault, "" where it is another one.
func (a *app) leftVault(installed []string) string {
	vaults, err := profile.Layout{}.Vaults()
	if err != nil {
		return ""
	}
	vaults = slices.DeleteFunc(vaults, func(p string) bool { return slices.Contains(installed, p) })
	switch {
	case a.project != "" && slices.Contains(vaults, a.project):
		return a.project
	case a.project == "" && len(installed) == 0 && len(vaults) == 1:
		return vaults[0]
	}
	return ""
}

// purgeVault removes the values of a project that is no longer installed.
func (a *app) purgeVault(ctx context.Context, project string) error {
	fx := system.Default()
	p := profile.New(profile.Layout{Project: project}, fx)
	lock, err := p.Lock(holder("uninstall"))
	if err != nil {
		return withStatus(exitRefused, err)
	}
	defer lock.Release() //nolint:errcheck // the process ends and the kernel lets go of it
	if err := vault.New(p, fx, vault.Creds{FX: fx}).EndGraces(ctx, nil); err != nil {
		return err
	}
	if err := p.PurgeSecrets(); err != nil {
		return err
	}
	return a.result(map[string]any{"removed": true, "project": project}, "the secrets of "+project+" are removed from this host")
}
