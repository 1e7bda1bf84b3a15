package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/schemas/session"
)

func newTriggerCmd(a *app) *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{
		Use:   "trigger KEY NAME",
		Short: "Run a scheduled job now",
		Long: `Trigger starts the job NAME of an agent now and waits for its end. Ctrl-C leaves it running. The schedule is not
changed.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeKeys(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.trigger(cmd.Context(), args[0], args[1], !noWait)
		},
	}
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as it has started")
	return cmd
}

func (a *app) trigger(ctx context.Context, key, name string, wait bool) error {
	c, done, err := a.control(ctx, "trigger")
	if err != nil {
		return err
	}
	defer done()
	of, err := agent(c.Fleet, key)
	if err != nil {
		return err
	}
	r, err := c.Trigger(ctx, of, name, wait)
	var unknown *agents.UnknownJob
	if errors.As(err, &unknown) {
		return usage(err)
	}
	if err != nil {
		return err
	}
	return a.triggered(key, name, r)
}

// triggered tells how a job ended.
func (a *app) triggered(key, name string, r *session.Record) error {
	if r == nil {
		return a.result(map[string]any{"agent": key, "job": name, "started": true}, fmt.Sprintf("job %s of %s has started", name, key))
	}
	text := fmt.Sprintf("job %s of %s: %s after %s, session %d", name, key, r.Result, r.End.Sub(r.Start).Round(time.Second), r.N)
	if r.CostUSD > 0 {
		text += fmt.Sprintf(", $%.2f", r.CostUSD)
	}
	if err := a.result(r, text); err != nil {
		return err
	}
	if r.Result != session.OK {
		return withStatus(exitFailed, fmt.Errorf("job %s of %s did not end well\n  hint: sudo fleet logs %s --session %d", name, key, key, r.N))
	}
	return nil
}
