package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"fleet/schemas/manifest"
)

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the tool and of its formats",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]any{"version": manifest.Tool, "manifest": manifest.Version, "go": runtime.Version()}
			return a.result(v, "fleet "+manifest.Tool)
		},
	}
}
