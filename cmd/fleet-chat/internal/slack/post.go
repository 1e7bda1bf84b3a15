package slack

import (
	"context"
	"errors"
	"strings"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/slack/mrkdwn"
	"fleet/cmd/fleet-chat/internal/split"
)

// maxText is how long a message may be as it is sent, that is escaped: 4,000 characters are what Slack shows well, see
// chat.postMessage. Those outside of the first plane count twice here, to be safe.
const maxText = 4000

// parts returns Markdown as the messages that it fills, none of them empty, the first with room for so much more.
func parts(markdown string, room int) []string {
	var all []string
	for limit := maxText - room; ; limit /= 2 {
		all = all[:0]
		fits := true
		for _, p := range split.Text(markdown, limit, escaped) {
			if strings.TrimSpace(p.Text) == "" {
				continue
			}
			s := mrkdwn.FromMarkdown(p.String())
			fits = fits && split.UTF16(s) <= maxText-room
			all = append(all, s)
		}
		if fits || limit < 8 {
			return all
		}
	}
}

// escaped counts what a text has when it is escaped.
func escaped(s string) int {
	return split.UTF16(s) + 4*strings.Count(s, "&") + 3*strings.Count(s, "<") + 3*strings.Count(s, ">")
}

// speaker is a bot and the name that it posts under, "" is its own.
type speaker struct {
	*client
	agent, name string
}

// speakers returns who can post for an author: its own bot, where it has one that can, and then the fleet's. In a
// conversation with a bot only that one can.
func (b *Backend) speakers(a backend.Author, at spot) []speaker {
	fleet := speaker{client: b.fleet, name: b.shown(a)}
	if at.bot == direct {
		return []speaker{fleet}
	}
	if agent, ok := strings.CutPrefix(at.bot, direct); ok {
		return []speaker{{client: b.own[agent], agent: agent}}
	}
	own := b.own[a.Key]
	b.mu.Lock()
	defer b.mu.Unlock()
	if own == nil || b.muted[a.Key] || b.muted[a.Key+" "+at.channel] {
		return []speaker{fleet}
	}
	return []speaker{{client: own, agent: a.Key}, fleet}
}

// shown is the name that the fleet's bot takes on for an author, "" is its own.
func (b *Backend) shown(a backend.Author) string {
	if a.Key == "" {
		return ""
	}
	if a.Name == "" {
		return b.name(a.Key)
	}
	return a.Name
}

// name returns how people know an agent, or the name itself where it is none.
func (b *Backend) name(key string) string { return or(b.agents[key], key) }

// mute has an agent's posts made by the fleet's bot from now on, if its own cannot be used here.
func (b *Backend) mute(s speaker, channel string, err error) bool {
	var f *fault
	if s.agent == "" || !errors.As(err, &f) || f.kind != setup {
		return false
	}
	key := s.agent + " " + channel
	if tokenCodes[f.code] {
		key = s.agent
	}
	b.mu.Lock()
	again := b.muted[key]
	b.muted[key] = true
	b.mu.Unlock()
	if !again {
		b.log.WithField("agent", s.agent).Errorf("secret %s: its own bot cannot post here, so the fleet's does until "+
			"the next start: %s", s.credential, b.remedy(f, b.keys[channel]))
	}
	return true
}

// letter is a text in as many messages as it takes.
type letter struct {
	mark  mark      // of each, but for the part
	texts []string  // of messages
	first int       // which part of the whole the first of them is, from 1 on
	asked time.Time // when it was asked for, by this host's clock; zero is not known
}

func (b *Backend) post(ctx context.Context, at spot, e backend.Effect) (backend.Ref, error) {
	prefix := ""
	if at.bot != "" && at.bot != direct && at.bot != direct+e.Author.Key {
		// The bot cannot take another's name on.
		prefix = "*" + titleLine(or(b.shown(e.Author), "fleet")) + "*\n"
	}
	texts := parts(e.Text, split.UTF16(prefix))
	if len(texts) == 0 {
		return "", errors.New("a message must have text")
	}
	texts[0] = prefix + texts[0]
	l := letter{mark: mark{kind: postMark, id: e.ID}, texts: texts, first: 1, asked: e.Time}
	ts, err := b.write(ctx, at, e.Author, l)
	return at.ref(ts), err
}

// write posts a letter as who can for its author, and returns the ts of the first message.
func (b *Backend) write(ctx context.Context, at spot, author backend.Author, l letter) (first string, err error) {
	for _, s := range b.speakers(author, at) {
		// Its own messages are known by who it is.
		if err = b.identify(ctx, s.client, s.agent); err == nil {
			first, err = b.writeAs(ctx, s, at, l)
		}
		if at.bot != "" {
			return first, hopeless(err)
		}
		if err == nil || !b.mute(s, at.channel, err) {
			return first, err
		}
	}
	return first, err
}

// hopeless is an error of a conversation: one that its bot may not write in shall not hold up what follows elsewhere.
func hopeless(err error) error {
	var f *fault
	if errors.As(err, &f) && f.kind == setup {
		return f
	}
	return err
}

// writeAs posts what of a letter is not there yet, one message after the other.
func (b *Backend) writeAs(ctx context.Context, s speaker, at spot, l letter) (first string, err error) {
	p, err := b.places.enter(ctx, at)
	if err != nil {
		return "", err
	}
	defer p.leave()
	if err := p.look(ctx, s.client, l.asked); err != nil {
		return "", err
	}
	m := l.mark
	for i, text := range l.texts {
		m.part = l.first + i
		ts, there := p.found[m.key()]
		if !there {
			ts, err = s.post(ctx, at.channel, message{text: text, thread: at.thread, username: s.name, mark: m})
			if err != nil {
				p.stale = p.stale || mayBeThere(err)
				return "", err
			}
			p.add(m.key(), ts)
			b.sent.put(string(at.ref(ts)), ts)
		}
		if i == 0 {
			first = ts
		}
	}
	return first, nil
}
