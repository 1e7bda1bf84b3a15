package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/profile"
	"fleet/activate/survey"
	"fleet/schemas/status"
)

const (
	// watchEvery is how often --watch looks.
	watchEvery = 2 * time.Second
	// driftEvery is how often --watch looks for drift, which reads every file of the generation.
	driftEvery = 30 * time.Second
)

func newStatusCmd(a *app) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [KEY]",
		Short: "Show what runs, who waits, what differs from the generation",
		Long: `Status shows the live generation and its agents, or with KEY all that is known of one agent. Without root it shows
what the watchdog saw last, which operators may read.

It exits with 1 when something is unhealthy.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeKeys(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), args, watch)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "look again every two seconds until interrupted")
	return cmd
}

func (a *app) status(ctx context.Context, keys []string, watch bool) error {
	project, err := a.hostProject()
	if err != nil {
		return err
	}
	look := a.lookWatched
	if os.Geteuid() == 0 {
		live, done, err := a.lookLive(ctx)
		if err != nil {
			return err
		}
		defer done()
		look = live
	}
	if watch {
		return a.watchStatus(ctx, func() (*status.Status, error) { return look(project, keys) }, len(keys) > 0)
	}
	s, err := look(project, keys)
	if err != nil {
		return err
	}
	if err := a.showStatus(s, len(keys) > 0); err != nil {
		return err
	}
	if !s.Healthy {
		return withStatus(exitFailed, nil)
	}
	return nil
}

// lookWatched returns what the watchdog saw last.
func (a *app) lookWatched(project string, keys []string) (*status.Status, error) {
	s, err := agents.Watched(profile.Layout{Project: project})
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return nil, needRoot("status") // says how
	case err != nil:
		return nil, err
	}
	return s, only(s, keys)
}

// only leaves the one agent that was asked for, whose health then is the whole's.
func only(s *status.Status, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	unknown := &agents.Unknown{Key: keys[0]}
	for _, one := range s.Agents {
		unknown.Have = append(unknown.Have, one.Key)
	}
	s.Agents = slices.DeleteFunc(s.Agents, func(one status.Agent) bool { return one.Key != keys[0] })
	if len(s.Agents) == 0 {
		return asUsage(unknown)
	}
	s.Healthy = s.Agents[0].Healthy
	return nil
}

// lookLive asks the host. Drift is looked for anew only after a while.
func (a *app) lookLive(ctx context.Context) (func(string, []string) (*status.Status, error), func(), error) {
	c, done, err := a.control(ctx, "status")
	if err != nil {
		return nil, nil, err
	}
	var known []status.Drift
	var since time.Time
	return func(_ string, keys []string) (*status.Status, error) {
		if time.Since(since) > driftEvery {
			known = nil
		}
		s, err := survey.Take(ctx, c, known)
		if err != nil {
			return nil, err
		}
		if known == nil {
			known, since = s.Drift, time.Now()
		}
		return s, a.addDetail(ctx, c, s, keys)
	}, done, nil
}

func (a *app) addDetail(ctx context.Context, c agents.Control, s *status.Status, keys []string) error {
	if err := only(s, keys); err != nil || len(keys) == 0 {
		return err
	}
	of, err := c.Agent(keys[0])
	if err != nil {
		return err
	}
	s.Drift = survey.OfAgent(s.Drift, of)
	return survey.Detail(ctx, c, of, &s.Agents[0])
}

func (a *app) showStatus(s *status.Status, one bool) error {
	if a.json {
		return a.result(s, "")
	}
	v := a.view()
	if one && s.Agents[0].Detail != nil {
		a.print("%s", v.Detail(s, s.Agents[0]))
		return nil
	}
	a.print("%s", v.Text(s))
	return nil
}

// clearScreen goes to the top left corner and clears all below.
const clearScreen = "\x1b[H\x1b[J"

// watchStatus shows the status again and again. With --json it is one line each time.
func (a *app) watchStatus(ctx context.Context, look func() (*status.Status, error), one bool) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		s, err := look()
		if err != nil {
			return err
		}
		if err := a.showAgain(s, one); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *app) showAgain(s *status.Status, one bool) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(s)
	}
	if a.width() > 0 {
		a.print("%s", clearScreen)
	} else {
		fmt.Fprintln(a.out)
	}
	return a.showStatus(s, one)
}
