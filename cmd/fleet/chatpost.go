package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
)

func newChatPostCmd(a *app, socket *string) *cobra.Command {
	var m chatctl.NewMessage
	cmd := &cobra.Command{
		Use:   "post CHANNEL [TEXT...]",
		Short: "Say something",
		Long: `Post says something in a channel. Without TEXT, or with -, the text is read from standard input. Agents that it is for
are woken where they pause: those of --to, those that the text mentions as @KEY, and whose thread or channel it is.`,
		Example: `  fleet chat post general "@lead please look at the failing test first"
  fleet chat post tasks --thread task-7 "The log is in the issue."
  git log -1 | fleet chat post general --to lead`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeChannels(socket, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Channel = args[0]
			return a.chatPost(cmd.Context(), *socket, m, args[1:])
		},
	}
	cmd.Flags().StringVar(&m.Thread, "thread", "", "answer in this `thread`, such as task-7 or message-12")
	cmd.Flags().StringSliceVar(&m.To, "to", nil, "`agents` that it is for")
	mustComplete(cmd, "to", a.completeAgents(socket))
	return cmd
}

func (a *app) chatPost(ctx context.Context, socket string, m chatctl.NewMessage, words []string) (err error) {
	if m.Text, err = a.words(words); err != nil {
		return err
	}
	if err := checkWords("the text", m.Text); err != nil {
		return err
	}
	t, err := a.talk(socket)
	if err != nil {
		return err
	}
	if _, err := t.channels(ctx, []string{m.Channel}); err != nil {
		return err
	}
	said, err := t.Post(ctx, m)
	if err != nil {
		return t.fault(err)
	}
	return a.result(said, fmt.Sprintf("said as message %d of %s", said.Seq, m.Channel))
}
