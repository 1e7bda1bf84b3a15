package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fleet/schemas/manifest"
)

func newVerifyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Prove that a generation is whole",
		Long:  "Verify proves every file of a generation by its manifest. DIR defaults to generations/latest.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "generations/latest"
			if len(args) == 1 {
				dir = args[0]
			}
			m, err := manifest.Verify(a.path(dir))
			if err != nil {
				return withStatus(exitFailed, fmt.Errorf("%s is not whole: %w", dir, err))
			}
			return a.result(map[string]any{"id": m.ID, "project": m.Project, "files": len(m.Files)},
				fmt.Sprintf("%s  %s  whole, %d files", dir, m.ID.Short(), len(m.Files)))
		},
	}
}
