package slack

import (
	"context"
	"io"
	"log"
	"net/http"
	"sync/atomic"
	"time"

	slackgo "github.com/slack-go/slack"
)

const (
	// callTime bounds a call; what it was to bring about is looked for afterwards.
	callTime = 30 * time.Second

	// page is how many messages are asked for at once, and largePage how many Slack allows.
	page, largePage = 200, 999
)

// client calls Slack's Web API as one bot.
type client struct {
	api    *slackgo.Client
	forOne func() *slackgo.Client // makes another that calls apps.connections.open once
	pace   *pace

	credential    string // the name of its token's
	appCredential string // of the token of its app, "" is none

	// Of the bot, from auth.test. They do not change while clients are used.
	user, bot, team string
	scopes          map[string]bool // that the token has; nil where Slack does not say
}

// client makes one of the credentials of a bot's token and of its app's.
func (n *network) client(credential, botToken, appCredential, appToken string) *client {
	library := func(transport http.RoundTripper) *slackgo.Client {
		return slackgo.New(botToken,
			slackgo.OptionHTTPClient(&http.Client{Transport: transport, CheckRedirect: stay}),
			slackgo.OptionAPIURL(n.api),
			slackgo.OptionAppLevelToken(appToken),
			// It writes whole messages where it is told to debug, to the process's own standard error otherwise.
			slackgo.OptionDebug(false),
			slackgo.OptionLog(silent()),
		)
	}
	return &client{
		api: library(n.transport), pace: newPace(), credential: credential, appCredential: appCredential,
		forOne: func() *slackgo.Client { return library(&once{RoundTripper: n.transport}) },
	}
}

// stay follows no redirect: the next server would get the token, too.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// once lets one call through. Slack's library makes the next connection by itself, as soon as one ends; that is ours to
// make, in our time.
type once struct {
	http.RoundTripper
	used atomic.Bool
}

// RoundTrip is http.RoundTripper's.
func (o *once) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.used.Swap(true) {
		return nil, errEnded
	}
	return o.RoundTripper.RoundTrip(r)
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// call calls a method when the limits allow. Its error is what backend.Do returns.
func (c *client) call(ctx context.Context, method, channel string, f func(ctx context.Context) error) error {
	done, err := c.pace.enter(ctx, method, channel)
	if err != nil {
		return ended(ctx, err)
	}
	limited, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err = f(limited)
	if err == nil {
		done(0)
		return nil
	}
	fault := asFault(method, err)
	done(fault.after)
	return ended(ctx, fault.later())
}

// post writes a message and returns its ts.
func (c *client) post(ctx context.Context, channel string, m message) (ts string, err error) {
	err = c.call(ctx, "chat.postMessage", channel, func(ctx context.Context) error {
		var err error
		_, ts, err = c.api.PostMessageContext(ctx, channel, m.options()...)
		return err
	})
	return ts, err
}

// update writes a message of this bot's anew.
func (c *client) update(ctx context.Context, channel, ts string, m message) error {
	return c.call(ctx, "chat.update", channel, func(ctx context.Context) error {
		_, _, _, err := c.api.UpdateMessageContext(ctx, channel, ts, m.content()...)
		return err
	})
}

// remove takes a message of this bot's away. It may be gone already.
func (c *client) remove(ctx context.Context, channel, ts string) error {
	err := c.call(ctx, "chat.delete", channel, func(ctx context.Context) error {
		_, _, err := c.api.DeleteMessageContext(ctx, channel, ts)
		return err
	})
	if is(err, "message_not_found") {
		return nil
	}
	return err
}

// react sets a reaction of this bot's, or takes it away. Either may be so already.
func (c *client) react(ctx context.Context, channel, ts, name string, on bool) error {
	method, call, fine := "reactions.remove", c.api.RemoveReactionContext, "no_reaction"
	if on {
		method, call, fine = "reactions.add", c.api.AddReactionContext, "already_reacted"
	}
	err := c.call(ctx, method, channel, func(ctx context.Context) error {
		return call(ctx, name, slackgo.NewRefToMessage(channel, ts))
	})
	if is(err, fine) {
		return nil
	}
	return err
}

// span is a part of a channel or thread.
type span struct {
	channel, thread string // thread is the ts of its root; "" is the channel
	oldest, latest  string // ts; "" is no bound
	inclusive       bool   // with the bounds
	limit           int    // how many are asked for at once
}

// read hands on the messages of a span while each returns true, a channel's from the newest to the oldest, a thread's
// from the oldest to the newest, its root first of all whatever the span is. A thread that is not there has none.
func (c *client) read(ctx context.Context, s span, each func(m slackgo.Message) bool) error {
	for cursor := ""; ; {
		messages, next, err := c.page(ctx, s, cursor)
		if is(err, "thread_not_found") {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range messages {
			if !each(m) {
				return nil
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

func (c *client) page(ctx context.Context, s span, cursor string) (messages []slackgo.Message, next string, err error) {
	limit := page
	if s.limit > 0 {
		limit = s.limit
	}
	if s.thread == "" {
		err = c.call(ctx, "conversations.history", s.channel, func(ctx context.Context) error {
			r, err := c.api.GetConversationHistoryContext(ctx, &slackgo.GetConversationHistoryParameters{
				ChannelID: s.channel, Cursor: cursor, Oldest: s.oldest, Latest: s.latest, Inclusive: s.inclusive,
				Limit: limit, IncludeAllMetadata: true,
			})
			if err == nil {
				messages, next = r.Messages, r.ResponseMetaData.NextCursor
			}
			return err
		})
		return messages, next, err
	}
	err = c.call(ctx, "conversations.replies", s.channel, func(ctx context.Context) error {
		var err error
		messages, _, next, err = c.api.GetConversationRepliesContext(ctx, &slackgo.GetConversationRepliesParameters{
			ChannelID: s.channel, Timestamp: s.thread, Cursor: cursor, Oldest: s.oldest, Latest: s.latest,
			Inclusive: s.inclusive, Limit: limit, IncludeAllMetadata: true,
		})
		return err
	})
	return messages, next, err
}
