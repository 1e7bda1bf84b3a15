package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newRestartCmd(a *app) *cobra.Command {
	var graceful bool
	cmd := &cobra.Command{
		Use:   "restart [KEY...]",
		Short: "Restart agents, at once or at the end of their sessions",
		Long: `Restart ends the named agents, or all that are enabled, and starts them again. A session in progress is lost, unless
--graceful lets it end first: the agent's runner then ends at the boundary of its iteration, and systemd starts it
again. One that a person stopped stays stopped.`,
		ValidArgsFunction: a.completeKeys(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.restart(cmd.Context(), keys, graceful) },
	}
	cmd.Flags().BoolVar(&graceful, "graceful", false, "let a session in progress end first")
	return cmd
}

func (a *app) restart(ctx context.Context, keys []string, graceful bool) error {
	c, done, err := a.control(ctx, "restart")
	if err != nil {
		return err
	}
	defer done()
	picked, err := pick(c.Fleet, keys)
	if err != nil {
		return err
	}
	named := len(keys) > 0
	a.log.Infof("restart %s", everyone(picked, named, c.Project))
	if graceful {
		return a.outcomes(c.Tell(ctx, picked, named))
	}
	return a.outcomes(c.Restart(ctx, picked, named))
}
