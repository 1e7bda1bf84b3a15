package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fleet/activate/agents"
	"fleet/activate/terminal"
	"fleet/schemas/manifest"
)

func newLoginCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "login KEY",
		Short: "Log an agent's harness in to an account",
		Long: `Login runs the harness's own login as the agent, in its containment, on this terminal, for agents with login: true in
the spec. ` + terminal.DetachKey + ` leaves. Open the address that it shows in your own browser.

The token that it gets lies with the agent, which can leak it. Where the vendor has keys or long-lived tokens, a secret
with disposition broker is better: the gate holds it, and there is nothing to log in to.

The program's bytes never reach your terminal: they are drawn by a tmux of your own, as by fleet attach.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKeys(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.show(cmd.Context(), "login", args[0], " login", false, agents.Control.Login)
		},
	}
}

// show runs what shows a terminal of an agent's in a tmux of the person's.
func (a *app) show(ctx context.Context, command, key, title string, readOnly bool,
	shows func(agents.Control, context.Context, manifest.Agent, terminal.View) (string, error),
) error {
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usage(errors.New(command + " needs a terminal on its standard input\n  hint: over SSH, ssh -t HOST sudo fleet " + command + " " + key))
	}
	c, done, err := a.control(ctx, command)
	if err != nil {
		return err
	}
	defer done()
	of, err := agent(c.Fleet, key)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // a lost connection ends the view in order
	defer stop()
	operator, err := terminal.ThisOperator(os.Getenv)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program for the view: %w", err)
	}
	how, err := shows(c, ctx, of, terminal.View{
		Title: c.Project + "/" + key + title, ReadOnly: readOnly, Operator: operator,
		Relay: []string{self, relayCommand}, Terminal: in, Folder: viewFolder,
	})
	if err != nil {
		return err
	}
	a.log.Info(how)
	return nil
}
