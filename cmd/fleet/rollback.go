package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/detach"
)

func newRollbackCmd(a *app) *cobra.Command {
	req := detach.Request{Kind: detach.Rollback}
	cmd := &cobra.Command{
		Use:   "rollback [N]",
		Short: "Go back to the generation that was live before",
		Long: `Rollback switches to the confirmed generation that was live before this one, or to generation N: the same phases and
the same checks as a switch, without a spec and without the network. Two in a row come back.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot("rollback"); err != nil {
				return err
			}
			project, err := a.hostProject()
			if err != nil {
				return err
			}
			req.Project = project
			h := a.host(project)
			if err := h.rollbackTarget(&req, args); err != nil {
				return err
			}
			return a.detached(cmd.Context(), h, req)
		},
	}
	cmd.Flags().BoolVar(&req.Now, "now", false, "restart changed agents at once, without waiting for their sessions")
	cmd.Flags().BoolVar(&req.Force, "force", false, "take a generation that failed on this host before")
	cmd.Flags().DurationVar(&req.Confirm, "confirm", 0*time.Second, "go back unless `fleet confirm` is run within this `time`")
	return cmd
}

// rollbackTarget completes the request by the generation to go back to, and by those to try should it be damaged.
func (h hostView) rollbackTarget(req *detach.Request, args []string) error {
	st, err := h.LoadState()
	if err != nil {
		return err
	}
	if len(args) == 1 {
		req.Number, err = h.Find(args[0])
		if err != nil {
			return withStatus(exitRefused, err)
		}
	} else {
		before, err := h.interrupted()
		if err != nil {
			return err
		}
		before = append(before, st.Before(h.active())...)
		if len(before) == 0 {
			return withStatus(exitRefused, errors.New("no generation was live before this one\n  hint: see fleet generations"))
		}
		req.Number, req.Fallbacks = before[0], before[1:]
	}
	g, _ := st.Get(req.Number)
	req.ID = string(g.ID)
	if req.Number != h.active() {
		return nil
	}
	left, err := h.Unfinished()
	if err == nil && len(left) == 0 { // else it is live for as long as a switch lets it
		err = withStatus(exitRefused, fmt.Errorf("generation %d is live already", req.Number))
	}
	return err
}

// interrupted returns what was live before a switch that has not been ended, and so is not in the history yet.
func (h hostView) interrupted() ([]int, error) {
	left, err := h.Unfinished()
	var out []int
	for _, u := range left {
		if u.Txn != nil && u.Txn.To == h.active() && u.Txn.From != 0 {
			out = append(out, u.Txn.From)
		}
	}
	return out, err
}
