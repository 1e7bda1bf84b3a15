package discord

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/bwmarrin/discordgo"
)

// pageLength is Discord's greatest page of messages or threads.
const pageLength = 100

// outgoing is a message to be sent. discordgo's has neither nonce nor enforce_nonce.
type outgoing struct {
	Content  string `json:"content"`
	Mentions nobody `json:"allowed_mentions"`
	Flags    int    `json:"flags,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	Enforce  bool   `json:"enforce_nonce,omitempty"`
}

// nobody is who is notified by what an agent writes.
type nobody struct {
	Parse []string `json:"parse"`
}

// noEmbeds is the flag SUPPRESS_EMBEDS: Discord shall not fetch and draw what an agent links to.
const noEmbeds = 1 << 2

func newOutgoing(content, nonce string) outgoing {
	return outgoing{Content: content, Mentions: nobody{[]string{}}, Flags: noEmbeds, Nonce: nonce, Enforce: nonce != ""}
}

func (b *bot) send(ctx context.Context, channel string, out outgoing) (message, error) {
	var m message
	err := b.call(ctx, http.MethodPost, discordgo.EndpointChannelMessages(channel), out, &m)
	return m, err
}

func (b *bot) remove(ctx context.Context, channel, id string) error {
	return b.call(ctx, http.MethodDelete, discordgo.EndpointChannelMessage(channel, id), nil, nil)
}

func (b *bot) message(ctx context.Context, channel, id string) (message, error) {
	var m message
	err := b.call(ctx, http.MethodGet, discordgo.EndpointChannelMessage(channel, id), nil, &m)
	return m, err
}

// page returns at most 100 messages, the newest first: those before an ID, or after it, or the last ones.
func (b *bot) page(ctx context.Context, channel, direction, id string) ([]message, error) {
	query := url.Values{"limit": {strconv.Itoa(pageLength)}}
	if id != "" {
		query.Set(direction, id)
	}
	var page []message
	err := b.call(ctx, http.MethodGet, discordgo.EndpointChannelMessages(channel)+"?"+query.Encode(), nil, &page)
	slices.SortFunc(page, func(x, y message) int { return compare(y.ID, x.ID) })
	return page, err
}

// since returns all messages after an ID, the oldest first.
func (b *bot) since(ctx context.Context, channel, id string) ([]message, error) {
	var all []message
	for {
		page, err := b.page(ctx, channel, "after", id)
		if err != nil {
			return nil, err
		}
		slices.Reverse(page)
		all = append(all, page...)
		if len(page) < pageLength {
			return all, nil
		}
		id = page[len(page)-1].ID
	}
}

// open returns the channel of the direct messages with a user, and makes it if there is none. The user is not told.
func (b *bot) open(ctx context.Context, user string) (*thread, error) {
	var t thread
	err := b.call(ctx, http.MethodPost, discordgo.EndpointUserChannels("@me"), map[string]any{"recipient_id": user}, &t)
	return &t, err
}

func (b *bot) place(ctx context.Context, id string) (*thread, error) {
	var t thread
	if err := b.call(ctx, http.MethodGet, discordgo.EndpointChannel(id), nil, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// active returns the threads of a channel that are not archived, the oldest first.
func (b *bot) active(ctx context.Context, server, channel string) ([]*thread, error) {
	var list struct {
		Threads []*thread `json:"threads"`
	}
	if err := b.call(ctx, http.MethodGet, discordgo.EndpointGuildActiveThreads(server), nil, &list); err != nil {
		return nil, err
	}
	of := slices.DeleteFunc(list.Threads, func(t *thread) bool { return t.ParentID != channel })
	slices.SortFunc(of, func(x, y *thread) int { return compare(x.ID, y.ID) })
	return of, nil
}

// archived returns the public threads of a channel that were archived after a time.
func (b *bot) archived(ctx context.Context, channel string, after time.Time) ([]*thread, error) {
	var all []*thread
	query := url.Values{"limit": {strconv.Itoa(pageLength)}}
	for {
		var list struct {
			Threads []*thread `json:"threads"`
			More    bool      `json:"has_more"`
		}
		place := discordgo.EndpointChannelPublicArchivedThreads(channel) + "?" + query.Encode()
		if err := b.call(ctx, http.MethodGet, place, nil, &list); err != nil {
			return nil, err
		}
		for _, t := range list.Threads {
			if t.Meta == nil || !t.Meta.ArchivedAt.After(after) {
				return all, nil // they come by this time, the last one first
			}
			all = append(all, t)
		}
		if !list.More || len(list.Threads) == 0 {
			return all, nil
		}
		query.Set("before", all[len(all)-1].Meta.ArchivedAt.Format(time.RFC3339Nano))
	}
}

// archiveAfter is when a thread without news leaves the list, in minutes: a week, the longest that there is.
const archiveAfter = 7 * 24 * 60

// openPost opens a thread of a forum.
func (b *bot) openPost(ctx context.Context, forum, name string, out outgoing) (*thread, error) {
	var t thread
	err := b.call(ctx, http.MethodPost, discordgo.EndpointChannelThreads(forum), map[string]any{
		"name": name, "auto_archive_duration": archiveAfter, "message": out,
	}, &t)
	return &t, err
}

// openAt opens a thread at a message. The thread gets the message's ID. That there is one already is no error.
func (b *bot) openAt(ctx context.Context, channel, id, name string) error {
	err := b.call(ctx, http.MethodPost, discordgo.EndpointChannelMessageThread(channel, id), map[string]any{
		"name": name, "auto_archive_duration": archiveAfter,
	}, nil)
	if isCode(err, codeHasThread) {
		return nil
	}
	return err
}

func (b *bot) edit(ctx context.Context, thread string, changes map[string]any) error {
	return b.call(ctx, http.MethodPatch, discordgo.EndpointChannel(thread), changes, nil)
}

// rename gives a thread another name.
func (b *bot) rename(ctx context.Context, thread, name string) error {
	return b.edit(context.WithValue(ctx, apart{}, "name"), thread, map[string]any{"name": name})
}

func (b *bot) react(ctx context.Context, channel, id, emoji string) error {
	place := discordgo.EndpointMessageReaction(channel, id, url.PathEscape(emoji), "@me")
	return b.call(ctx, http.MethodPut, place, nil, nil)
}

// unreact takes a reaction away: that of a user, or our own with "@me".
func (b *bot) unreact(ctx context.Context, channel, id, emoji, user string) error {
	place := discordgo.EndpointMessageReaction(channel, id, url.PathEscape(emoji), user)
	return b.call(ctx, http.MethodDelete, place, nil, nil)
}

func (b *bot) reactors(ctx context.Context, channel, id, emoji string) ([]user, error) {
	var users []user
	place := discordgo.EndpointMessageReactions(channel, id, url.PathEscape(emoji)) + "?limit=" + strconv.Itoa(pageLength)
	err := b.call(ctx, http.MethodGet, place, nil, &users)
	slices.SortFunc(users, func(x, y user) int { return cmp.Compare(x.ID, y.ID) })
	return users, err
}
