package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"fleet/activate/detach"
	"fleet/activate/profile"
	"fleet/activate/systemd"
)

func newConfirmCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "confirm",
		Short: "Keep a switch that waits for a person",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, _, err := a.current("confirm")
			if err != nil {
				return err
			}
			if err := d.Confirm(); err != nil {
				return withStatus(exitRefused, err)
			}
			return a.result(map[string]any{"confirmed": d.Nonce()}, "confirmed")
		},
	}
}

func newAbortCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "abort",
		Short: "Take back a switch that is under way",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, project, err := a.current("abort")
			if err != nil {
				return err
			}
			if err := d.Abort(); err != nil {
				a.log.Info(err)
			}
			sd, err := systemd.Connect(cmd.Context())
			if err != nil {
				return err
			}
			defer sd.Close()
			unit := switchUnit(project, d.Nonce())
			res, err := detach.Follow(cmd.Context(), d, a.log.Out, func() bool { return sd.Running(cmd.Context(), unit) })
			if err != nil {
				return err
			}
			if res.Status != exitReverted && res.Status != exitRefused {
				return withStatus(exitFailed, fmt.Errorf("it was too late to abort: %s", res.Message))
			}
			return a.result(res, res.Message)
		},
	}
}

// current returns the switch that is under way on this host, and its project.
func (a *app) current(command string) (detach.Dir, string, error) {
	if err := needRoot(command); err != nil {
		return "", "", err
	}
	project, err := a.hostProject()
	if err != nil {
		return "", "", err
	}
	lock, err := a.host(project).Lock(profile.Holder{PID: os.Getpid(), What: profile.Look})
	if err == nil {
		err = errors.Join(lock.Release(), errors.New("no switch is under way"))
		return "", "", withStatus(exitRefused, err)
	}
	var busy *profile.Busy
	if !errors.As(err, &busy) {
		return "", "", err
	}
	d, openErr := detach.Open("", project, busy.Holder.Target)
	if openErr != nil {
		return "", "", withStatus(exitRefused, busy)
	}
	return d, project, nil
}
