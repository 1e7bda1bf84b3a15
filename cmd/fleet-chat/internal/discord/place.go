package discord

import (
	"context"
	"fmt"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
)

// place is a channel or thread that is written to, with the marks of what we wrote there. One effect at a time writes.
type place struct {
	turn  chan struct{}
	known map[mark]string // messages, or threads of a forum
	from  string          // known has all from this ID on; "" is nothing, as after a request whose end is unknown
}

const (
	placesMost = 300  // remembered
	knownMost  = 1000 // marks remembered of a place

	// clockMost is how far the host's clock may be ahead of Discord's.
	clockMost = 15 * time.Minute
)

// enter waits for the place's turn. The caller must call leave.
func (b *Backend) enter(ctx context.Context, id string) (p *place, leave func(), err error) {
	b.mu.Lock()
	if len(b.places) >= placesMost {
		b.forget()
	}
	if p = b.places[id]; p == nil {
		p = &place{turn: make(chan struct{}, 1)}
		b.places[id] = p
	}
	b.mu.Unlock()
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, &backend.Later{Err: ctx.Err()}
	}
	if len(p.known) > knownMost {
		p.from = ""
	}
	return p, func() { <-p.turn }, nil
}

// forget drops places in which nobody writes at the moment. Who waits for one that is dropped looks at the history
// again.
func (b *Backend) forget() {
	for id, p := range b.places {
		if len(p.turn) == 0 {
			delete(b.places, id)
		}
	}
}

// oldest returns the first ID that what an effect of a time has brought about can have, "0" for any time.
func oldest(at time.Time) string {
	if at.IsZero() {
		return "0"
	}
	return idAt(at.Add(-clockMost))
}

// has tells whether known has all from an ID on.
func (p *place) has(since string) bool { return p.from != "" && !before(since, p.from) }

// failed notes the end of a request that should have written.
func (p *place) failed(err error) {
	if !definite(err) {
		p.from = ""
	}
}

// find returns the message since an ID that has a mark, "" if there is none.
func (b *Backend) find(ctx context.Context, by *bot, p *place, channel, since string, want mark) (string, error) {
	if !p.has(since) {
		if err := b.look(ctx, by, p, channel, since); err != nil {
			return "", err
		}
	}
	return p.known[want], nil
}

// look reads the marks of a channel's messages since an ID.
func (b *Backend) look(ctx context.Context, by *bot, p *place, channel, since string) error {
	if err := b.acquaint(ctx); err != nil {
		return err
	}
	known := map[mark]string{}
	for last := ""; last == "" || before(since, last); {
		page, err := by.page(ctx, channel, "before", last)
		if err != nil {
			return err
		}
		for _, m := range page {
			if mk, _, ok := b.markIn(m); ok {
				known[mk] = m.ID
			}
		}
		if len(page) < pageLength {
			break
		}
		last = page[len(page)-1].ID
	}
	p.known, p.from = known, since
	return nil
}

// acquaint asks for the IDs of our bots' users. Only the fleet's must be known.
func (b *Backend) acquaint(ctx context.Context) error {
	for _, own := range b.bots() {
		if _, err := own.me(ctx); err != nil && own == b.fleet {
			return err
		}
	}
	return nil
}

// markIn returns the mark of a message, if it is one of ours.
func (b *Backend) markIn(m message) (mk mark, n note, ok bool) {
	if b.ours(m.Author.ID) == nil {
		return mark{}, note{}, false
	}
	mk, n, _, ok = readMark(m.Content)
	return mk, n, ok
}

// letter is a message that is to be sent.
type letter struct {
	voice  voice
	where  string // channel or thread
	since  string // where an earlier try may have left it, the first ID
	piece  piece
	mark   mark
	digest string
}

func (l *letter) outgoing() outgoing {
	return newOutgoing(l.piece.text+l.mark.text(note{l.piece.form, l.digest}), l.mark.nonce())
}

// put sends a message with its mark, if it is not there yet, and returns its ID.
func (b *Backend) put(ctx context.Context, p *place, l *letter) (string, error) {
	if id, err := b.find(ctx, l.voice.reader, p, l.where, l.since, l.mark); id != "" || err != nil {
		return id, err
	}
	m, err := l.voice.by.send(ctx, l.where, l.outgoing())
	if err != nil {
		p.failed(err)
		return "", err
	}
	if got, _, ok := b.markIn(m); !ok || got != l.mark {
		b.log.Errorf("message %s came back from Discord without its mark: after an outage it may be sent again", m.ID)
	}
	p.known[l.mark] = m.ID
	return m.ID, nil
}

// deliver sends one message on its own.
func (b *Backend) deliver(ctx context.Context, l *letter) error {
	p, leave, err := b.enter(ctx, l.where)
	if err != nil {
		return err
	}
	defer leave()
	_, err = b.send(ctx, p, l)
	return err
}

// voice is who says something.
type voice struct {
	by     *bot
	reader *bot   // reads what is there already
	above  string // the name, if the bot is not the speaker's own
}

// ownVoice returns the voice of an author that is a bot of its own, nil if there is none.
func (b *Backend) ownVoice(e backend.Effect) *voice {
	own := b.own[e.Author.Key]
	if own == nil || e.Author.Key == "" || b.directTo(e.Channel) != nil {
		return nil
	}
	return &voice{by: own, reader: b.fleet}
}

// voiceOf returns the voice of an author through another bot: the fleet's, or the one that was written to. A person on
// the host has a name, and no key.
func (b *Backend) voiceOf(a backend.Author, by *bot) voice {
	v := voice{by: by, reader: by}
	name := bareLine(a.Name)
	if a.Key == by.agent.key && (a.Key != "" || name == "") {
		return v
	}
	if name == "" {
		name = a.Key
	}
	v.above = fmt.Sprintf("**%s**\n", cut(name, nameMost))
	return v
}
