package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fleet/generate/spec"
)

func newCheckCmd(a *app) *cobra.Command {
	var s specFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with the spec",
		Long: `Check evaluates the spec and says everything that is wrong with it. As root on a host that has secrets of the project it
also warns of those that the spec needs and that have no value there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.specOptions(&s)
			if err != nil {
				return err
			}
			r, err := spec.Load(cmd.Context(), o)
			if err != nil {
				return err
			}
			missing, err := a.missingSecrets(cmd.Context(), o, r.Fleet.Project)
			if err != nil {
				return err
			}
			r.Report.Merge("", missing)
			a.warn(r.Report)
			return a.result(map[string]any{"project": r.Fleet.Project, "agents": len(r.Fleet.Agents), "warnings": r.Report.Entries},
				fmt.Sprintf("%s: good, %d agents, %d warnings", o.File, len(r.Fleet.Agents), len(r.Report.Entries)))
		},
	}
	s.add(cmd)
	return cmd
}
