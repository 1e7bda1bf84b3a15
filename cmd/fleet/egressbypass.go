package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/gates"
	"fleet/schemas/policy"
)

// bypassFlags are the flags of `fleet egress bypass`.
type bypassFlags struct {
	last   time.Duration
	reason string
	end    bool
}

func newEgressBypassCmd(a *app) *cobra.Command {
	var f bypassFlags
	cmd := &cobra.Command{
		Use:   "bypass KEY --for TIME --reason TEXT",
		Short: "Let an agent reach what no rule allows, for a while",
		Long: `Bypass opens the gate of one agent or sidecar for at most an hour. What is unsafe in every mode, such as private and metadata
addresses, stays refused, a cut goes before it, and every decision that it makes is recorded as bypassed with its
reason. It ends by itself, also where the gate is restarted; a boot ends it at once. A bypass that runs is replaced.`,
		Example: `  sudo fleet egress bypass lead --for 10m --reason "first npm install"
  sudo fleet egress bypass lead --end`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeGates(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.egressBypass(cmd.Context(), args[0], f) },
	}
	cmd.Flags().DurationVar(&f.last, "for", 0, "how long, such as 30s or 10m; at most an hour")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for whoever reads the records")
	cmd.Flags().BoolVar(&f.end, "end", false, "end a bypass before its time")
	return cmd
}

func (f bypassFlags) check() error {
	switch {
	case f.end && (f.last != 0 || f.reason != ""):
		return usage(errors.New("--end takes neither --for nor --reason"))
	case f.end:
		return nil
	case f.last < time.Second || f.last > policy.MaxBypass:
		return usage(fmt.Errorf("--for must be from 1s to %s, such as --for 10m", policy.MaxBypass))
	}
	return printableReason(f.reason, true)
}

func (a *app) egressBypass(ctx context.Context, key string, f bypassFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	s, done, err := a.switcher(ctx, "egress bypass")
	if err != nil {
		return err
	}
	defer done()
	if _, err := pickGates(s.Fleet, []string{key}); err != nil {
		return err
	}
	if f.end {
		return a.outcomes([]agents.Outcome{s.EndBypass(ctx, key)})
	}
	out := s.Bypass(ctx, key, f.last, f.reason, gates.By())
	if out.Error == "" {
		a.log.Infof("ends at %s", time.Now().Add(f.last).Format("15:04:05"))
	}
	return a.outcomes([]agents.Outcome{out})
}
