package main

import (
	"github.com/spf13/cobra"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/vault"
)

func newHostKeyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "host-key",
		Short: "Print this host's public key for age files",
		Long: `Host-key prints the line that a list of recipients, such as secrets.recipients, needs so that this host can decrypt the
age file beside it. The private key is made when the command is first run; it stays on this host, encrypted as the values
of secrets are.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot("host-key"); err != nil {
				return err
			}
			vault.Guard()
			public, err := hostKey().Recipient(cmd.Context())
			if err != nil {
				return err
			}
			return a.result(map[string]string{"recipient": public}, public)
		},
	}
}

func hostKey() vault.HostKey {
	fx := system.Default()
	return vault.HostKey{Profile: profile.New(profile.Layout{}, fx), FX: fx, Sealer: vault.Creds{FX: fx}}
}
