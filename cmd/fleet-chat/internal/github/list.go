package github

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

const (
	perPage = 100 // the most that GitHub gives

	// scans bound how often a list is read until it is twice the same.
	scans = 5
)

// pages reads a list page by page. What is deleted meanwhile moves what follows to the page before, which was read
// already: so a list of more than one page is read again until it has stayed the same.
func pages[T any](id func(T) int64, page func(o github.ListOptions) ([]T, *github.Response, error)) ([]T, error) {
	var before []int64
	for range scans {
		found := map[int64]T{}
		o := github.ListOptions{PerPage: perPage, Page: 1}
		many := false
		for o.Page != 0 {
			some, resp, err := page(o)
			if err != nil {
				return nil, err
			}
			for _, item := range some {
				found[id(item)] = item
			}
			o.Page = resp.NextPage
			many = many || o.Page != 0
		}
		ids := make([]int64, 0, len(found))
		for n := range found {
			ids = append(ids, n)
		}
		slices.Sort(ids)
		if !many || slices.Equal(ids, before) {
			all := make([]T, len(ids))
			for i, n := range ids {
				all[i] = found[n]
			}
			return all, nil
		}
		before = ids
	}
	return nil, &backend.Later{Err: fmt.Errorf("the list changes while it is read")}
}

// comments are those of an issue that were written or edited since then, in the order in which they were made.
func (b *Backend) comments(ctx context.Context, p *place, number int, since time.Time) ([]*github.IssueComment, error) {
	all, err := pages((*github.IssueComment).GetID,
		func(o github.ListOptions) ([]*github.IssueComment, *github.Response, error) {
			options := &github.IssueListCommentsOptions{ListOptions: o}
			if !since.IsZero() {
				options.Since = github.Ptr(since.UTC().Truncate(time.Second))
			}
			return b.fleet.api.Issues.ListComments(ctx, p.owner, p.name, number, options)
		})
	return all, b.judge(b.fleet, fmt.Sprintf("the comments of #%d", number), err)
}

// issuesBy are those that match, the oldest first.
func (b *Backend) issuesBy(
	ctx context.Context, p *place, match github.IssueListByRepoOptions,
) ([]*github.Issue, error) {
	all, err := pages((*github.Issue).GetID, func(o github.ListOptions) ([]*github.Issue, *github.Response, error) {
		match.ListOptions = o
		return b.fleet.api.Issues.ListByRepo(ctx, p.owner, p.name, &match)
	})
	all = slices.DeleteFunc(all, func(i *github.Issue) bool { return i.IsPullRequest() })
	slices.SortFunc(all, func(x, y *github.Issue) int { return cmp.Compare(x.GetNumber(), y.GetNumber()) })
	return all, b.judge(b.fleet, "the list of issues", err)
}

// events are what was done to an issue, in its order.
func (b *Backend) events(ctx context.Context, p *place, number int) ([]*github.IssueEvent, error) {
	all, err := pages((*github.IssueEvent).GetID,
		func(o github.ListOptions) ([]*github.IssueEvent, *github.Response, error) {
			return b.fleet.api.Issues.ListIssueEvents(ctx, p.owner, p.name, number, &o)
		})
	return all, b.judge(b.fleet, fmt.Sprintf("what was done to #%d", number), err)
}

func (b *Backend) issue(ctx context.Context, p *place, number int) (*github.Issue, error) {
	i, _, err := b.fleet.api.Issues.Get(ctx, p.owner, p.name, number)
	if err != nil {
		return nil, b.judge(b.fleet, fmt.Sprintf("issue #%d", number), err)
	}
	if i.GetNumber() != number {
		return nil, fmt.Errorf("github: issue #%d: it has moved to another repository", number)
	}
	return i, nil
}
