package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands into DIR",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := a.path(args[0])
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the date would make every run differ
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "8", Source: "fleet"}, dir); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return a.result(map[string]any{"path": dir}, "written; read them with: man "+dir+"/fleet.8")
		},
	}
}
