package main

import (
	"context"

	"github.com/spf13/cobra"

	"fleet/schemas/status"
)

func newJobsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "jobs [KEY...]",
		Short:             "List schedules with their next and last run",
		ValidArgsFunction: a.completeKeys(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.jobs(cmd.Context(), keys) },
	}
}

func (a *app) jobs(ctx context.Context, keys []string) error {
	c, done, err := a.control(ctx, "jobs")
	if err != nil {
		return err
	}
	defer done()
	picked, err := pick(c.Fleet, keys)
	if err != nil {
		return err
	}
	list := []status.Job{}
	for _, of := range picked {
		of, err := c.Jobs(ctx, of)
		if err != nil {
			return err
		}
		list = append(list, of...)
	}
	if len(list) == 0 {
		return a.result(list, "no schedules")
	}
	return a.result(list, a.view().Jobs(list))
}
