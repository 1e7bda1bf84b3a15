package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// readFlags are the flags of what shows messages.
type readFlags struct {
	lines         int
	since, thread string
}

const messagesHelp = `

With --json each message is one object on one line, by schemas/chat/message.schema.json. What agents and people wrote is
shown as printable text. Agents are named by their keys, people as @NAME; who is marked as untrusted is not among the
operators of the spec.`

func newChatReadCmd(a *app, socket *string) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:   "read [CHANNEL...]",
		Short: "Show what was said",
		Long:  `Read shows the newest messages of the named channels, or of all, the oldest first.` + messagesHelp,
		Example: `  fleet chat read
  fleet chat read alerts --since 7d
  fleet chat read tasks --thread task-7 -n 0`,
		ValidArgsFunction: a.completeChannels(socket, 0),
		RunE:              func(cmd *cobra.Command, names []string) error { return a.chatRead(cmd.Context(), *socket, names, f) },
	}
	f.add(cmd, 20)
	return cmd
}

func (f *readFlags) add(cmd *cobra.Command, lines int) {
	cmd.Flags().IntVarP(&f.lines, "lines", "n", lines, "show the newest so many; 0: all")
	cmd.Flags().StringVar(&f.since, "since", "", "show messages from this `TIME` on, such as 2h, 7d or \"2026-05-01 13:00\"")
	cmd.Flags().StringVar(&f.thread, "thread", "", "show only this `thread` of the one channel, such as task-7 or message-12")
}

// past is which messages of before are wanted.
type past struct {
	lines  int // the newest so many, 0 is all
	since  time.Time
	thread string
}

func (f readFlags) past(names []string) (past, error) {
	if f.lines < 0 || f.lines > maxLines {
		return past{}, usage(fmt.Errorf("-n must be from 0 to %d, is %d", maxLines, f.lines))
	}
	if f.thread != "" && len(names) != 1 {
		return past{}, usage(errors.New("--thread needs the one channel that the thread is in"))
	}
	since, err := parseSince(f.since, time.Now())
	return past{f.lines, since, f.thread}, err
}

func (a *app) chatRead(ctx context.Context, socket string, names []string, f readFlags) error {
	r, err := a.read(ctx, socket, names, f)
	if err == nil && r.shown == 0 {
		a.log.Info("nothing was said")
	}
	return err
}

// reading has shown what was said.
type reading struct {
	*talk
	past
	show  func(chat.Message) error
	shown int
	at    map[string]int64 // up to where, by channel
}

// read shows what was said in the named channels, or in all.
func (a *app) read(ctx context.Context, socket string, names []string, f readFlags) (*reading, error) {
	p, err := f.past(names)
	if err != nil {
		return nil, err
	}
	t, err := a.talk(socket)
	if err != nil {
		return nil, err
	}
	channels, err := t.channels(ctx, names)
	if err != nil {
		return nil, err
	}
	all, at, err := t.said(ctx, channels, p)
	if err != nil {
		return nil, err
	}
	r := &reading{talk: t, past: p, show: a.messagePrinter(), at: at}
	for _, m := range all {
		if err := r.show(m); err != nil {
			return nil, err
		}
		r.shown++
	}
	return r, nil
}

// said returns messages of channels by their time, and for each channel the number up to which that is all.
func (t *talk) said(ctx context.Context, channels []chatctl.Channel, p past) (all []chat.Message, at map[string]int64, err error) {
	at = map[string]int64{}
	var lists [][]chat.Message
	for _, c := range channels {
		list, err := t.back(ctx, c.Key, p)
		if err != nil {
			return nil, nil, t.fault(err)
		}
		at[c.Key] = c.Last
		if n := len(list); n > 0 {
			at[c.Key] = max(c.Last, list[n-1].Seq)
		}
		lists = append(lists, list)
	}
	all = chatctl.Merge(lists)
	if p.lines > 0 && len(all) > p.lines {
		all = all[len(all)-p.lines:]
	}
	return all, at, nil
}

// back reads a channel from its end.
func (t *talk) back(ctx context.Context, channel string, p past) ([]chat.Message, error) {
	q := chatctl.Query{Channel: channel, Thread: p.thread}
	var pages [][]chat.Message
	for have := 0; p.lines == 0 || have < p.lines; {
		q.Limit = chatctl.MaxPage
		if p.lines > 0 {
			q.Limit = min(q.Limit, p.lines-have)
		}
		page, err := t.Messages(ctx, q)
		if err != nil {
			return nil, err
		}
		list := page.Messages
		if len(list) == 0 {
			break
		}
		q.Before = list[0].Seq
		old := list[0].Time.Before(p.since)
		list = slices.DeleteFunc(list, func(m chat.Message) bool { return m.Time.Before(p.since) })
		pages = append(pages, list)
		have += len(list)
		if old || !page.More {
			break
		}
	}
	slices.Reverse(pages)
	return slices.Concat(pages...), nil
}

// messagePrinter returns what prints one message after the other.
func (a *app) messagePrinter() func(chat.Message) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		return func(m chat.Message) error { return e.Encode(m) }
	}
	v := a.chatView()
	return func(m chat.Message) error {
		_, err := io.WriteString(a.out, v.Message(m))
		return err
	}
}
