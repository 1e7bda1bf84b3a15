package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newStartCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "start [KEY...]",
		Short: "Start agents that were stopped",
		Long: `Start starts the named agents, or all that are enabled, and forgets that a person stopped them. It returns when they
run.`,
		ValidArgsFunction: a.completeKeys(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.start(cmd.Context(), keys) },
	}
}

func (a *app) start(ctx context.Context, keys []string) error {
	c, done, err := a.control(ctx, "start")
	if err != nil {
		return err
	}
	defer done()
	picked, err := pick(c.Fleet, keys)
	if err != nil {
		return err
	}
	a.log.Infof("start %s", everyone(picked, len(keys) > 0, c.Project))
	return a.outcomes(c.Start(ctx, picked))
}
