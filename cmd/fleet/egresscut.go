package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/gates"
	"fleet/activate/system"
)

func newEgressCutCmd(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "cut [KEY...]",
		Short: "Stop all traffic of agents at once, until restore",
		Long: `Cut stops everything that the named agents and sidecars send and get, or all of the project, within a second: new
connections, open tunnels, kept-alive ones, look-ups. It goes before mode, policy and bypass, and lasts over restarts,
switches and boots until fleet egress restore. Agents go on running. What a later switch adds is not cut off.`,
		ValidArgsFunction: a.completeGates(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.egressCut(cmd.Context(), keys, reason) },
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks later")
	return cmd
}

func (a *app) egressCut(ctx context.Context, keys []string, reason string) error {
	if err := printableReason(reason, false); err != nil {
		return err
	}
	s, done, err := a.switcher(ctx, "egress cut")
	if err != nil {
		return err
	}
	defer done()
	picked, err := pickGates(s.Fleet, keys)
	if err != nil {
		return err
	}
	why := "by " + gates.By()
	if reason != "" {
		why += ": " + reason
	}
	out := s.Cut(ctx, picked, why)
	if len(keys) == 0 {
		a.log.Info("what a later switch adds is not cut off")
	}
	return a.outcomes(out)
}

func newEgressRestoreCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restore [KEY...]",
		Short: "Let agents that were cut off go on",
		Long: `Restore ends fleet egress cut for the named agents and sidecars, or for all of the project: their policy is in force again within
a second. What was cut stays closed; programs connect anew.`,
		ValidArgsFunction: a.completeGates(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.egressRestore(cmd.Context(), keys) },
	}
}

func (a *app) egressRestore(ctx context.Context, keys []string) error {
	s, done, err := a.switcher(ctx, "egress restore")
	if err != nil {
		return err
	}
	defer done()
	picked, err := pickGates(s.Fleet, keys)
	if err != nil {
		return err
	}
	out := s.Restore(ctx, picked)
	if len(keys) == 0 {
		gone, err := s.Gone()
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			a.log.Infof("no longer cut off, though not there or disabled: %s", strings.Join(gone, ", "))
		}
	}
	return a.outcomes(out)
}

// switcher returns what cuts off and opens, and what gives it back.
func (a *app) switcher(ctx context.Context, command string) (gates.Switcher, func(), error) {
	c, done, err := a.control(ctx, command)
	if err != nil {
		return gates.Switcher{}, nil, err
	}
	return gates.Switcher{Control: c, FX: system.Default()}, done, nil
}
