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

	"fleet/activate/terminal"
)

// relayCommand is the hidden command that runs in the view's only pane.
const relayCommand = "__pty"

// viewFolder is where the view's private folder is made. Only root can write there.
const viewFolder = "/run/fleet"

func newAttachCmd(a *app) *cobra.Command {
	var readOnly bool
	cmd := &cobra.Command{
		Use:   "attach KEY",
		Short: "Show an agent's terminal and type into it",
		Long: `Attach shows the agent's live terminal. ` + terminal.DetachKey + ` leaves; every other key, Ctrl-C too, goes to the agent. Between two
sessions it shows how the last one ended.

The agent's bytes never reach your terminal: they are drawn by a tmux of your own, without clipboard, titles, links or
passing through of escape sequences. No process of yours connects to the agent.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKeys(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.attach(cmd.Context(), args[0], readOnly) },
	}
	cmd.Flags().BoolVarP(&readOnly, "read-only", "r", false, "only look: nothing that you type reaches the agent")
	return cmd
}

func (a *app) attach(ctx context.Context, key string, readOnly bool) error {
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usage(errors.New("attach needs a terminal on its standard input\n  hint: fleet logs KEY shows what an agent did"))
	}
	c, done, err := a.control(ctx, "attach")
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
	how, err := c.Attach(ctx, of, terminal.View{
		Title: c.Project + "/" + key, ReadOnly: readOnly, Operator: operator,
		Relay: []string{self, relayCommand}, Terminal: in, Folder: viewFolder,
	})
	if err != nil {
		return err
	}
	a.log.Info(how)
	return nil
}

func newRelayCmd() *cobra.Command {
	return &cobra.Command{
		Use: relayCommand + " SOCKET", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return terminal.Relay(args[0], os.Stdin, os.Stdout) },
	}
}
