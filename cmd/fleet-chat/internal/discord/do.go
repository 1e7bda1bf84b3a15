package discord

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/split"
)

// Do brings an effect about. The reference is that of the message, the first one where a text has several, or of the
// task. A task's new title may come up to ten minutes later, while Run goes on: Discord allows two of them in that
// time. A token that is refused does not end the effect: it can be brought about with the next token.
func (b *Backend) Do(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	ref, err := b.try(ctx, e)
	return ref, outlives(b.explain(e.Channel, err))
}

func (b *Backend) try(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	if !validID(e.ID) {
		return "", fmt.Errorf("effect %q: the ID must be 26 letters and digits", e.ID)
	}
	b.remember(e.ID)
	if own := b.ownVoice(e); own != nil {
		ref, err := b.do(ctx, e, *own)
		if err == nil || !kept(err) {
			return ref, err
		}
		b.mute(e, err)
	}
	by := b.directTo(e.Channel)
	if by == nil {
		by = b.fleet
	}
	return b.do(ctx, e, b.voiceOf(e.Author, by))
}

// kept tells whether a bot is kept out: by its token, or of the channel.
func kept(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused) || isStatus(err, http.StatusForbidden) || isCode(err, codeUnknownChannel)
}

// mute tells once that an agent's own bot cannot speak in a channel.
func (b *Backend) mute(e backend.Effect, err error) {
	at := e.Author.Key + " " + e.Channel
	if !isRefused(err) { // nowhere
		at = e.Author.Key
	}
	b.mu.Lock()
	told := b.muted[at]
	b.muted[at] = true
	b.mu.Unlock()
	if !told {
		b.log.Errorf("%v; until then %s speaks through the fleet's bot", b.explain(e.Channel, err), e.Author.Key)
	}
}

// outlives makes of a refused token an error that a further try may mend.
func outlives(err error) error {
	var refused *refusedError
	if errors.As(err, &refused) {
		return &backend.Later{Err: err}
	}
	return err
}

func (b *Backend) do(ctx context.Context, e backend.Effect, v voice) (backend.Ref, error) {
	ch, ok := b.channel(e.Channel)
	if !ok && (e.Kind != backend.Post || b.directTo(e.Channel) == nil) {
		return "", fmt.Errorf("channel %q must be one of coordination.channels that has an ID", e.Channel)
	}
	switch e.Kind {
	case backend.Post:
		return b.post(ctx, ch, e, v)
	case backend.Create:
		return b.create(ctx, ch, e, v)
	case backend.Update:
		return b.update(ctx, ch, e, v)
	}
	return "", fmt.Errorf("effect %s: kind %q is not known", e.ID, e.Kind)
}

// explain says of a refusal what to set in Discord. Other errors, and none, stay as they are.
func (b *Backend) explain(channel string, err error) error {
	var api *apiError
	if !isRefused(err) || !errors.As(err, &api) {
		return err
	}
	where := "coordination.channels." + channel
	if strings.HasPrefix(channel, backend.Direct) {
		where = "a direct message"
	}
	switch {
	case api.status == http.StatusForbidden:
		return fmt.Errorf("%s: the bot must be given its permissions (%d) in the server's settings: %w",
			where, permissions, err)
	case api.code == codeUnknownChannel, api.code == codeUnknownMessage:
		return fmt.Errorf("%s: the channel, thread or message is not there any more, or the bot cannot see it: %w",
			where, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}

func (b *Backend) post(ctx context.Context, ch channel, e backend.Effect, v voice) (backend.Ref, error) {
	if strings.TrimSpace(clean(e.Text)) == "" {
		return "", fmt.Errorf("effect %s: the text must not be empty", e.ID)
	}
	target, err := b.target(ctx, ch, e, v)
	if err != nil {
		return "", err
	}
	id, err := b.write(ctx, script{effect: e, voice: v, where: target, kind: ofPost, pieces: pieces(v.above, "", e.Text)})
	if err != nil {
		return "", err
	}
	return refOf(target, id), nil
}

// target returns the ID of the channel or thread for a post. A reference never leads out of the effect's channel.
func (b *Backend) target(ctx context.Context, ch channel, e backend.Effect, v voice) (string, error) {
	home, id, ok := parseRef(e.Thread)
	switch {
	case ch.id == "" && ok && home == backend.Direct:
		return id, b.isDirect(ctx, v.by, id)
	case ch.id == "":
		return "", fmt.Errorf("effect %s: a direct message must have the conversation that it answers in, not %q",
			e.ID, e.Thread)
	case e.Thread == "":
		return ch.id, b.takesPosts(ctx, ch)
	case !ok || home != ch.id:
		return "", fmt.Errorf("thread %q must be one of the channel %q", e.Thread, e.Channel)
	}
	s, ok, err := b.spot(ctx, id)
	switch {
	case err != nil:
		return "", err
	case ok && s.key == ch.key && s.thread != nil:
		return id, nil
	case ok:
		return "", fmt.Errorf("thread %q must be one of the channel %q", e.Thread, e.Channel)
	}
	// No thread yet: it is a message at which one can be opened.
	return id, b.fleet.openAt(ctx, ch.id, id, conversation(e.Text))
}

// isDirect returns an error if a channel is not one of direct messages with a bot.
func (b *Backend) isDirect(ctx context.Context, by *bot, id string) error {
	b.mu.Lock()
	known := b.directs[id] == by
	b.mu.Unlock()
	if known {
		return nil
	}
	t, err := by.place(ctx, id)
	if err == nil && t.Type != typeDirect {
		err = fmt.Errorf("channel %s is none of direct messages", id)
	}
	if err == nil {
		b.learnDirect(id, by)
	}
	return err
}

// takesPosts returns an error for a forum.
func (b *Backend) takesPosts(ctx context.Context, ch channel) error {
	if !ch.tasks {
		return nil
	}
	forum, err := b.forum(ctx, ch)
	if forum && err == nil {
		return fmt.Errorf("coordination.channels.%s is a forum: what is posted there must be in a task's thread", ch.key)
	}
	return err
}

// conversation names a thread.
func conversation(text string) string {
	line := bareLine(strings.SplitN(strings.TrimSpace(text), "\n", 2)[0])
	if line == "" {
		return "conversation"
	}
	return strings.TrimSpace(split.Text(line, nameMost/2, split.Runes)[0].Text)
}

// script is what an effect says in one place: messages of one kind.
type script struct {
	effect backend.Effect
	voice  voice
	where  string // channel or thread
	kind   kind
	pieces []piece
	first  int    // piece to be sent; those before are elsewhere
	digest string // see note
}

// letter is the message of a piece.
func (s *script) letter(i int) *letter {
	return &letter{
		s.voice, s.where, oldest(s.effect.Time), s.pieces[i], mark{s.effect.ID, s.kind, i}, s.digest,
	}
}

// write sends the messages in order, and returns the ID of the first one.
func (b *Backend) write(ctx context.Context, s script) (first string, err error) {
	if len(s.pieces) > partMost {
		return "", fmt.Errorf("effect %s: the text must not be longer than %d messages", s.effect.ID, partMost)
	}
	p, leave, err := b.enter(ctx, s.where)
	if err != nil {
		return "", err
	}
	defer leave()
	for i := s.first; i < len(s.pieces); i++ {
		id, err := b.send(ctx, p, s.letter(i))
		if err != nil {
			return "", err
		}
		if i == s.first {
			first = id
		}
	}
	return first, nil
}

// send sends one message, into the archive too.
func (b *Backend) send(ctx context.Context, p *place, l *letter) (id string, err error) {
	err = b.unarchived(ctx, l.where, func() (err error) {
		id, err = b.put(ctx, p, l)
		return err
	})
	return id, err
}

// unarchived does something in a thread, and takes it out of the archive first where Discord asks for that.
func (b *Backend) unarchived(ctx context.Context, thread string, do func() error) error {
	err := do()
	if !isCode(err, codeArchived) {
		return err
	}
	if err := b.fleet.edit(ctx, thread, map[string]any{"archived": false}); err != nil {
		return err
	}
	return do()
}
