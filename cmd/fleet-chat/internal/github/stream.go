package github

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/go-github/v89/github"
)

// stream is a list and how far it was read.
type stream struct {
	position time.Time
	etag     string
	url      string // that the tag is of
	again    bool   // something could not be taken as it is: it must be read once more, whatever its tag
	seen     map[int64]time.Time
}

// item is an entry of a stream.
type item interface {
	*github.Issue | *github.IssueComment
	GetID() int64
	GetUpdatedAt() github.Timestamp
}

// scan reads a stream from its position on. The next page is not asked for by its number, since what is updated
// meanwhile moves to the end and all that follows it a place forward, but by the time of the last entry; by number only
// within one second.
func scan[T item](ctx context.Context, w *watch, s *stream, path, state string, take func(T) error) error {
	var since time.Time
	if !w.first || state == "" {
		since = s.position.Add(-overlap)
	}
	s.again = false
	for page, round := 1, 0; ; round++ {
		address := query(path, state, since, page)
		etag := ""
		if round == 0 && address == s.url {
			etag = s.etag
		}
		if state != "" {
			w.asked = time.Now()
		}
		items, resp, err := get[T](ctx, w.b, address, etag)
		if err != nil || resp == nil {
			return err
		}
		s.url = ""
		slices.SortStableFunc(items, func(x, y T) int {
			return cmp.Or(x.GetUpdatedAt().Compare(y.GetUpdatedAt().Time), cmp.Compare(x.GetID(), y.GetID()))
		})
		for _, i := range items {
			// The mark that goes with an entry is its time. What is not taken is read again from before that.
			if !w.first || state == "" {
				s.position = later(s.position, i.GetUpdatedAt().Time)
			}
			if err := take(i); err != nil {
				return err
			}
		}
		if resp.NextPage == 0 || len(items) == 0 {
			if round == 0 && !s.again {
				s.url, s.etag = address, resp.Header.Get("ETag")
			}
			return nil
		}
		page++
		if last := items[len(items)-1].GetUpdatedAt().Time; last.After(since) {
			since, page = last, 1
		}
	}
}

// forget drops what cannot come again.
func (s *stream) forget() {
	for id, at := range s.seen {
		if at.Before(s.position.Add(-2 * overlap)) {
			delete(s.seen, id)
		}
	}
}

func query(path, state string, since time.Time, page int) string {
	q := url.Values{"sort": {"updated"}, "direction": {"asc"}, "per_page": {strconv.Itoa(perPage)}}
	if state != "" {
		q.Set("state", state)
	}
	if !since.IsZero() {
		q.Set("since", since.UTC().Format(time.RFC3339))
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	return path + "?" + q.Encode()
}

// get asks for a page; without a response it is as it was when it had that tag.
func get[T item](ctx context.Context, b *Backend, address, etag string) ([]T, *github.Response, error) {
	req, err := b.fleet.api.NewRequest(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, b.judge(b.fleet, "what is new", err)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	var items []T
	resp, err := b.fleet.api.Do(req, &items)
	if status(err) == http.StatusNotModified {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, b.judge(b.fleet, "what is new", err)
	}
	return slices.DeleteFunc(items, func(i T) bool { return i == nil }), resp, nil
}
