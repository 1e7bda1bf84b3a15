package main

import (
	"context"

	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func newChatTailCmd(a *app, socket *string) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:   "tail [CHANNEL...]",
		Short: "Show what is said, as it is said, until interrupted",
		Long: `Tail shows the newest messages of the named channels, or of all, and goes on with new ones until Ctrl-C. When the chat
is started anew, by a switch for instance, it waits and goes on where it was.` + messagesHelp,
		ValidArgsFunction: a.completeChannels(socket, 0),
		RunE:              func(cmd *cobra.Command, names []string) error { return a.chatTail(cmd.Context(), *socket, names, f) },
	}
	f.add(cmd, 10)
	return cmd
}

// chatTail shows what is said until ctx ends, which is no error.
func (a *app) chatTail(ctx context.Context, socket string, names []string, f readFlags) (err error) {
	defer func() {
		if ctx.Err() != nil {
			err = nil
		}
	}()
	r, err := a.read(ctx, socket, names, f)
	if err != nil {
		return err
	}
	return r.fault(r.Follow(ctx, &chatctl.Follower{
		At: r.at, New: len(names) == 0,
		Each: func(m chat.Message) error {
			if last, known := r.at[m.Channel]; known && m.Seq > last+1 {
				a.log.Warnf("messages %d to %d of %s are older than what is kept", last+1, m.Seq-1, m.Channel)
			}
			if r.thread != "" && m.Thread != r.thread {
				return nil
			}
			return r.show(m)
		},
		Lost: func(err error) { a.log.Warnf("the chat is gone (%v); waiting for it", r.fault(err)) },
		Back: func() { a.log.Info("the chat is back") },
	}))
}
