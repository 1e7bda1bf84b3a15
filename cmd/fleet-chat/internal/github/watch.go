package github

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

const (
	// overlap is how far before its position a stream is read again: its times are whole seconds, and what is new at
	// one of GitHub's servers comes later to the others.
	overlap = time.Minute

	// markTime is how far a position may be past the mark that the hub keeps before it is told.
	markTime = time.Hour
)

// watch sees what is new. All comments of the repository are one stream, all its issues another, each sorted by when it
// was updated: two requests for a look, which cost nothing of the hourly limit when nothing is new.
type watch struct {
	b        *Backend
	in       backend.Inbox
	keys     []string // of the channels
	prepared *place
	started  bool
	first    bool      // the first start of all: open tasks are read whatever their age
	resumed  time.Time // what is later was not told before the start
	asked    time.Time // when the last page of issues was asked for
	marked   position

	issues, comments stream
	known            map[int]*known
}

// position is what the hub keeps of each channel. As the streams are of all channels, the latest is where to go on.
type position struct {
	Issues   time.Time `json:"issues,omitzero"`
	Comments time.Time `json:"comments,omitzero"`
}

func newWatch(b *Backend, in backend.Inbox) *watch {
	w := &watch{b: b, in: in, known: map[int]*known{}, keys: slices.Sorted(maps.Keys(b.channels))}
	if b.tasks != "" {
		w.keys = append(w.keys, chat.Tasks)
	}
	w.comments.seen = map[int64]time.Time{}
	return w
}

// look takes what is new, and returns how many events that were.
func (w *watch) look(ctx context.Context) (n int, err error) {
	p, err := w.b.ready(ctx)
	if err == nil && w.prepared != p {
		if err = w.b.prepare(ctx, p); err == nil {
			w.prepared = p
		}
	}
	if err == nil {
		w.start()
		n, err = w.news(ctx, p)
	}
	if err == nil {
		err = w.keepMark(ctx)
	}
	return n, w.b.settle(ctx, p, w.b.fleet, err)
}

func (w *watch) start() {
	if w.started {
		return
	}
	w.started = true
	for _, key := range w.keys {
		var last position
		if json.Unmarshal([]byte(w.in.Mark(key)), &last) != nil {
			continue // at the beginning
		}
		w.marked = position{later(w.marked.Issues, last.Issues), later(w.marked.Comments, last.Comments)}
	}
	w.issues.position, w.comments.position = w.marked.Issues, w.marked.Comments
	w.resumed = later(w.marked.Issues, w.marked.Comments)
	w.first = w.issues.position.IsZero()
	if w.comments.position.IsZero() {
		w.comments.position = w.b.now()
	}
}

// now is the time by GitHub's clock.
func (b *Backend) now() time.Time { return b.fleet.limit.clock(time.Now()).UTC().Truncate(time.Second) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (w *watch) news(ctx context.Context, p *place) (int, error) {
	root := "repos/" + p.owner + "/" + p.name + "/issues"
	n := 0
	if w.b.tasks != "" {
		began := w.b.now()
		state := "all"
		if w.first {
			state = "open"
		}
		if err := scan(ctx, w, &w.issues, root, state, func(i *github.Issue) error {
			some, err := w.takeIssue(ctx, p, i)
			n += some
			return err
		}); err != nil {
			return n, err
		}
		if w.first {
			w.first, w.issues.position, w.issues.url = false, began, ""
		}
	}
	from := w.comments.position.Add(-overlap)
	err := scan(ctx, w, &w.comments, root+"/comments", "", func(c *github.IssueComment) error {
		some, err := w.takeComment(ctx, p, c, from)
		n += some
		return err
	})
	w.comments.forget()
	return n, err
}

func (w *watch) position() position { return position{w.issues.position, w.comments.position} }

func (w *watch) mark() string {
	text, err := json.Marshal(w.position())
	if err != nil {
		return "" // cannot be: years have four digits
	}
	return string(text)
}

// taken hands an event on.
func (w *watch) taken(ctx context.Context, e backend.Event) error {
	if err := w.in.Take(ctx, e, w.mark()); err != nil {
		return &backend.Later{Err: fmt.Errorf("github: %s is not taken: %w", e.ID, err)}
	}
	w.marked = w.position()
	return nil
}

// keepMark tells the hub where to go on, where no event has told it: what comes before the first event is not to be
// lost, and what was read is not to be read again after each start.
func (w *watch) keepMark(ctx context.Context) error {
	is := w.position()
	past := max(is.Issues.Sub(w.marked.Issues), is.Comments.Sub(w.marked.Comments))
	if !w.marked.Comments.IsZero() && past < markTime {
		return nil
	}
	for _, key := range w.keys {
		if err := w.taken(ctx, backend.Event{Channel: key}); err != nil {
			return err
		}
	}
	return nil
}
