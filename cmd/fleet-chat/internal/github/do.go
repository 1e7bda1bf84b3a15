package github

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

const (
	// before is how much earlier than an effect was asked for what is left of it may seem to be: by how much clocks differ
	// is known, but for whole seconds and the time that answers take.
	before = answerTime + time.Minute

	// lag is how long what was written may be missing from GitHub's lists.
	lag = 3 * time.Second
)

// job is one call of Do.
type job struct {
	*backend.Effect
	at     *place
	writer *account
}

// Do is backend.Backend's.
func (b *Backend) Do(ctx context.Context, e backend.Effect) (backend.Ref, error) {
	if !idPattern.MatchString(e.ID) {
		return "", fmt.Errorf("github: effect %q: its ID must be 26 letters and digits", plain(e.ID))
	}
	p, err := b.ready(ctx)
	if err != nil {
		return "", b.settle(ctx, p, b.fleet, err)
	}
	j := &job{&e, p, b.writer(e.Author)}
	ref, err := b.do(ctx, j)
	b.busy.Store(true)
	if err = b.settle(ctx, p, j.writer, err); gone(err) && e.Kind == backend.Post && e.Thread == "" {
		err = b.settle(ctx, p, b.fleet, b.lostChannel(e.Channel))
	}
	return ref, err
}

func (b *Backend) do(ctx context.Context, j *job) (backend.Ref, error) {
	switch {
	case j.Kind == backend.Post:
		return b.post(ctx, j)
	case j.Channel != chat.Tasks || b.tasks == "":
		return "", fmt.Errorf("github: effect %s: channel %q has no tasks here", j.ID, plain(j.Channel))
	case j.Kind == backend.Create:
		return b.create(ctx, j)
	case j.Kind == backend.Update:
		return b.update(ctx, j)
	}
	return "", fmt.Errorf("github: effect %s: unknown kind %q", j.ID, j.Kind)
}

// post writes a message, in as many comments as it takes.
func (b *Backend) post(ctx context.Context, j *job) (backend.Ref, error) {
	if strings.TrimSpace(j.Text) == "" {
		return "", fmt.Errorf("github: effect %s: a message needs a text", j.ID)
	}
	var number int
	var err error
	if j.Thread != "" {
		number, err = issueOf(j.Thread)
	} else {
		number, err = b.channel(ctx, j.at, j.Channel)
	}
	if err != nil {
		return "", err
	}
	return b.comment(ctx, j, number, b.entries(j.at, j.Effect, j.Text))
}

// comment writes those entries that are not there yet, and returns where the first is.
func (b *Backend) comment(ctx context.Context, j *job, number int, entries []entry) (ref backend.Ref, err error) {
	if len(entries) == 0 {
		return "", nil
	}
	there, err := b.left(ctx, j, number)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		id := there[e.part]
		if id == 0 {
			if id, err = b.write(ctx, j.at, j.writer, number, e); err != nil {
				return "", err
			}
		}
		if ref == "" {
			ref = commentRef(number, id)
		}
	}
	return ref, nil
}

// write makes one comment.
func (b *Backend) write(ctx context.Context, p *place, a *account, number int, e entry) (int64, error) {
	doing := fmt.Sprintf("a comment on #%d", number)
	body := e.String()
	c, _, err := a.api.Issues.CreateComment(ctx, p.owner, p.name, number, &github.IssueComment{Body: &body})
	if err != nil {
		return 0, b.judge(a, doing, err)
	}
	if c.GetID() == 0 {
		return 0, &backend.Later{After: lag, Err: fmt.Errorf("github: %s: the answer is none", doing)}
	}
	return c.GetID(), nil
}

// left finds the comments that an earlier try has left, by the number of the part.
func (b *Backend) left(ctx context.Context, j *job, number int) (map[int]int64, error) {
	comments, err := b.comments(ctx, j.at, number, b.since(j))
	if err != nil {
		return nil, err
	}
	there := map[int]int64{}
	for _, c := range comments {
		e, ok := j.at.entry(c.GetUser(), c.GetBody())
		if ok && e.id == j.ID && e.claim == "" && there[e.part] == 0 {
			there[e.part] = c.GetID()
		}
	}
	return there, nil
}

// entry reads what a user has written if that is one of ours.
func (p *place) entry(by *github.User, written string) (entry, bool) {
	if !p.ours(by) {
		return entry{}, false
	}
	return parseEntry(written)
}

// since is from when on an effect may have left something; zero is ever.
func (b *Backend) since(j *job) time.Time {
	if j.Time.IsZero() {
		return time.Time{}
	}
	asked := j.Time
	if now := time.Now(); asked.After(now) {
		asked = now // the clock was set back
	}
	return b.fleet.limit.clock(asked).Add(-before)
}

// issueRef and commentRef name an issue and a comment.
func issueRef(number int) backend.Ref { return backend.Ref(strconv.Itoa(number)) }

func commentRef(number int, id int64) backend.Ref {
	return backend.Ref(fmt.Sprintf("%d/%d", number, id))
}

// issueOf is the number of the issue that a Ref names or lies in.
func issueOf(r backend.Ref) (int, error) {
	text, _, _ := strings.Cut(string(r), "/")
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("github: %q names no issue", plain(string(r)))
	}
	return n, nil
}

var errNoTasks = errors.New("github: the tasks are only on this host: coordination.channels.tasks has no identifier")
