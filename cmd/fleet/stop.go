package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newStopCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [KEY...]",
		Short: "Stop agents, until somebody starts them",
		Long: `Stop ends the named agents, or all that are enabled, with their running jobs and open terminals. They stay stopped
over restarts, switches and reboots until fleet start. What does not end in time is killed.`,
		ValidArgsFunction: a.completeKeys(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.stop(cmd.Context(), keys) },
	}
}

func (a *app) stop(ctx context.Context, keys []string) error {
	c, done, err := a.control(ctx, "stop")
	if err != nil {
		return err
	}
	defer done()
	picked, err := pick(c.Fleet, keys)
	if err != nil {
		return err
	}
	a.log.Infof("stop %s", everyone(picked, len(keys) > 0, c.Project))
	return a.outcomes(c.Stop(ctx, picked))
}
