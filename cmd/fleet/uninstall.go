package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"fleet/activate"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
)

func newUninstallCmd(a *app) *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop a project and take it off this host",
		Long: `Uninstall stops everything of the project and removes its units, rules, scripts and history. Users and their homes
stay, unless --purge is given: then they go too, with all that agents left in them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot("uninstall"); err != nil {
				return err
			}
			all, err := profile.Layout{}.Projects()
			if err != nil {
				return err
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
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove its users and their homes")
	return cmd
}
