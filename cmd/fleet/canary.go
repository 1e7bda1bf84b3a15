package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/canary"
	"fleet/activate/machine"
	"fleet/generate/model"
	"fleet/schemas/policy"
)

// canaryCommand is the hidden command that is the internet of a trial's machine.
const canaryCommand = "__canary"

func newCanaryCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: canaryCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return canary.Serve(cmd.Context(), func() { a.print("ready\n") })
		},
	}
}

// startCanary runs it in the machine, for as long as the machine lives.
func (a *app) startCanary(ctx context.Context, m *machine.Machine) error {
	cmd := m.Command(ctx, "fleet", canaryCommand)
	cmd.Stderr = a.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it ends with the machine
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "ready" {
		return fmt.Errorf("start a web server in the machine: %w", errors.Join(err, ctx.Err()))
	}
	return nil
}

// askCanary says what came to the trial's web server, and fails where that is not what the lists say.
func (a *app) askCanary(m *machine.Machine, f *model.Fleet) error {
	agents, enforced := 0, 0
	for i := range f.Agents {
		if f.Agents[i].Enabled {
			agents++
		}
		if f.Agents[i].Enabled && f.Agents[i].Policy.Mode == policy.Enforce {
			enforced++
		}
	}
	listed, err := canary.Count(m.Path(canary.Seen), policy.TrialName)
	if err != nil {
		return err
	}
	unlisted, err := canary.Count(m.Path(canary.Seen), policy.TrialUnlisted)
	if err != nil {
		return err
	}
	a.print("  a web server in the machine got %d requests for the listed %s, %d for %s\n",
		listed, policy.TrialName, unlisted, policy.TrialUnlisted)
	switch {
	case listed < agents:
		return fmt.Errorf("a listed host was not reached by all %d agents", agents)
	case unlisted > 0 && enforced == agents:
		return errors.New("a host that is not listed was reached")
	}
	return nil
}
