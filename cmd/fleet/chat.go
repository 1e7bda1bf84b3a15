package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/profile"
	"fleet/cmd/fleet/internal/chattext"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func newChatCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Read and write in the team's chat",
		Long: `Chat speaks with the chat of a project, in which its agents talk. Root and the members of the operators' group may;
the chat knows who speaks by the user who runs this command.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	socket := socketFlag(cmd)
	cmd.AddCommand(newChatReadCmd(a, socket), newChatPostCmd(a, socket), newChatTailCmd(a, socket))
	return cmd
}

func socketFlag(cmd *cobra.Command) *string {
	return cmd.PersistentFlags().String("socket", "", "the chat's control `socket` (default /run/fleet/PROJECT/chat.sock)")
}

// talk speaks with the chat of a project.
type talk struct {
	*chatctl.Client
	project string // "" where the socket was named
}

// talk finds the chat. Nothing is asked yet.
func (a *app) talk(socket string) (*talk, error) {
	if socket != "" {
		return &talk{chatctl.New(a.path(socket)), ""}, nil
	}
	project, err := a.hostProject()
	if err != nil {
		return nil, err
	}
	return &talk{chatctl.New(chatSocket(project)), project}, nil
}

func chatSocket(project string) string {
	return filepath.Join(profile.Layout{Project: project}.Run(), "chat.sock")
}

// unitsDir has the units of what is live, which everybody may read.
const unitsDir = "/run/systemd/generator"

// fault makes an error of the chat one of the command line, with its exit status.
func (t *talk) fault(err error) error {
	var refused chatctl.Refused
	var nowhere *chatctl.Unreachable
	switch {
	case errors.As(err, &refused):
		return withStatus(exitRefused, errors.New(capped(refused.Error())))
	case errors.As(err, &nowhere):
		return withStatus(exitRefused, unreachable(nowhere, t.project, unitsDir))
	}
	return err
}

// maxSaid bounds what the chat says about a refusal.
const maxSaid = 500

func capped(text string) string { return chattext.Line(text, maxSaid) }

// unreachable says why the chat cannot be reached, and what to do.
func unreachable(u *chatctl.Unreachable, project, units string) error {
	unit := "fleet-" + project + "-chat.socket"
	_, noUnit := os.Lstat(filepath.Join(units, unit))
	switch {
	case errors.Is(u.Err, fs.ErrPermission):
		group := groupOf(u.Socket)
		return fmt.Errorf("%s: only root and the group %s speak with the chat\n  hint: sudo usermod -aG %s %s, and log in again; or use sudo",
			u.Socket, group, group, whoami())
	case project == "":
		return fmt.Errorf("no chat at %s: %w", u.Socket, errno(u.Err))
	case errors.Is(noUnit, fs.ErrNotExist):
		return fmt.Errorf("project %s has no chat: coordination.backend is none in what is live\n"+
			"  hint: set coordination.backend in the spec (local needs nothing else), then fleet build && sudo fleet switch", project)
	}
	return fmt.Errorf("the chat of project %s is not running, %s: %w\n  hint: sudo systemctl start %s; systemctl status %s says why it stopped",
		project, u.Socket, errno(u.Err), unit, unit)
}

// errno is the system's own word, without what the dialer puts around it.
func errno(err error) error {
	var n syscall.Errno
	if errors.As(err, &n) {
		return n
	}
	return err
}

// groupOf names the group of a socket: the operators'. Nobody is told to join root's.
func groupOf(socket string) string {
	var st syscall.Stat_t
	if syscall.Stat(socket, &st) == nil && st.Gid != 0 {
		if g, err := user.LookupGroupId(strconv.Itoa(int(st.Gid))); err == nil {
			return g.Name
		}
	}
	return "fleet-operators"
}

func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "$USER"
}

// chatView says how messages and tasks are shown.
func (a *app) chatView() chattext.View { return chattext.View{Width: a.width(), Color: a.color()} }

// words are a text from the command line, or from standard input where there is none, or -.
func (a *app) words(args []string) (string, error) {
	if len(args) > 0 && (len(args) > 1 || args[0] != "-") {
		return strings.Join(args, " "), nil
	}
	b, err := io.ReadAll(io.LimitReader(a.in, chat.MaxMessage+1))
	if err != nil {
		return "", fmt.Errorf("read the text from standard input: %w", err)
	}
	return string(b), nil
}

// checkWords refuses a text that no chat takes.
func checkWords(what, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return usage(fmt.Errorf("%s must not be empty", what))
	case len(text) > chat.MaxMessage:
		return usage(fmt.Errorf("%s must have at most %d bytes", what, chat.MaxMessage))
	}
	return nil
}

// completeTime is what a chat has for the names that a shell completes.
const completeTime = time.Second

// known asks the chat for what a shell completes, nothing where it does not answer.
func known[T any](a *app, socket *string, ask func(context.Context, *talk) (T, error)) (out T) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	if t, err := a.talk(*socket); err == nil {
		out, _ = ask(ctx, t) // whoever presses Tab gets no word about errors
	}
	return out
}

func askChat(ctx context.Context, t *talk) (chatctl.Chat, error) { return t.Chat(ctx) }

// completeChannels offers channels for the first arguments, most of them at most, 0 for any number.
func (a *app) completeChannels(socket *string, most int) cobra.CompletionFunc {
	return completion(most, func() []string {
		var keys []string
		for _, c := range known(a, socket, askChat).Channels {
			keys = append(keys, c.Key)
		}
		return keys
	})
}

// completeAgents offers agents for a flag.
func (a *app) completeAgents(socket *string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var keys []string
		for _, one := range known(a, socket, askChat).Agents {
			keys = append(keys, cobra.CompletionWithDesc(one.Key, chattext.Line(one.Name, maxSaid)))
		}
		return keys, cobra.ShellCompDirectiveNoFileComp
	}
}

// mustComplete gives a flag of cmd its completion.
func mustComplete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // there is no such flag
	}
}

// channels returns the channels that are named, all without names, and refuses what is none.
func (t *talk) channels(ctx context.Context, names []string) ([]chatctl.Channel, error) {
	have, err := t.Chat(ctx)
	if err != nil || len(names) == 0 {
		return have.Channels, t.fault(err)
	}
	var out []chatctl.Channel
	for _, name := range names {
		i := slices.IndexFunc(have.Channels, func(c chatctl.Channel) bool { return c.Key == name })
		if i < 0 {
			return nil, noChannel(name, have.Channels)
		}
		if !slices.Contains(out, have.Channels[i]) {
			out = append(out, have.Channels[i])
		}
	}
	return out, nil
}

func noChannel(name string, have []chatctl.Channel) error {
	var keys []string
	for _, c := range have {
		keys = append(keys, c.Key)
	}
	return usage(fmt.Errorf("there is no channel %q\n  hint: there are: %s", name, strings.Join(keys, ", ")))
}
