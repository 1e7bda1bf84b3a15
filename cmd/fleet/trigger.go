package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/schemas/report"
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
	var said []string
	if r != nil {
		if said, err = c.Message(key, *r); err != nil {
			a.log.Warn(report.Printable(err.Error())) // the agent's own fault: all else can still be told
		}
	}
	return a.triggered(key, name, r, said)
}

// triggered tells how a job ended, and what it said at its end.
func (a *app) triggered(key, name string, r *session.Record, said []string) error {
	if r == nil {
		return a.result(map[string]any{"agent": key, "job": name, "started": true}, fmt.Sprintf("job %s of %s has started", name, key))
	}
	text := fmt.Sprintf("job %s of %s: %s after %s, session %d", name, key, r.Result, r.End.Sub(r.Start).Round(time.Second), r.N)
	if r.CostUSD > 0 {
		text += fmt.Sprintf(", $%.2f", r.CostUSD)
	}
	for _, line := range said {
		text += "\n    " + line
	}
	if err := a.result(r, text); err != nil {
		return err
	}
	if r.Result != session.OK {
		return withStatus(exitFailed, fmt.Errorf("job %s of %s did not end well\n  hint: sudo fleet logs %s %s", name, key, key, name))
	}
	return nil
}
