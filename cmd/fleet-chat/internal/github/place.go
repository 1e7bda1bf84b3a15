package github

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// place is where the repository is and who we are there.
type place struct {
	owner, name string
	own         map[int64]*account
	trusted     map[string]bool // logins, in lower case
}

// ours tells whether one of our accounts is this user's.
func (p *place) ours(u *github.User) bool { return p.own[u.GetID()] != nil }

// ready finds out who we are and where the repository is, once.
func (b *Backend) ready(ctx context.Context) (*place, error) {
	end, ok := b.alone(ctx.Done())
	if !ok {
		return nil, b.judge(b.fleet, "who and where we are", ctx.Err())
	}
	defer end()
	b.mu.Lock()
	p := b.where
	b.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := b.findPlace(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.where = p
	return p, nil
}

func (b *Backend) findPlace(ctx context.Context) (*place, error) {
	repo, err := b.findRepo(ctx, b.fleet)
	if err != nil {
		return nil, err
	}
	p := &place{
		owner: repo.GetOwner().GetLogin(), name: repo.GetName(),
		own: map[int64]*account{}, trusted: map[string]bool{},
	}
	for _, a := range b.accounts {
		user, _, err := a.api.Users.Get(ctx, "")
		if status(err) == http.StatusForbidden && a.limit.left() == 0 {
			return nil, b.fault("the token of the secret " + a.secret + " is of no account: a personal access token is " +
				"needed, not one of an app or a workflow")
		}
		if err != nil {
			return nil, b.judge(a, "who the token is of", err)
		}
		a.login.Store(user.GetLogin())
		if p.own[user.GetID()] == nil { // two tokens may be of one account
			p.own[user.GetID()] = a
		}
	}
	return p, b.findTrusted(ctx, p)
}

func (b *Backend) findTrusted(ctx context.Context, p *place) error {
	for _, id := range b.config.Trusted {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return err
		}
		user, _, err := b.fleet.api.Users.GetByID(ctx, n)
		if status(err) == http.StatusNotFound {
			continue // an account that is gone is nobody
		}
		if err != nil {
			return b.judge(b.fleet, "who is trusted", err)
		}
		p.trusted[lower(user.GetLogin())] = true
	}
	return nil
}

// findRepo follows the repository where it has moved to, within the same API.
func (b *Backend) findRepo(ctx context.Context, a *account) (*github.Repository, error) {
	path := "repos/" + b.owner + "/" + b.name
	for range 4 {
		req, err := a.api.NewRequest(ctx, http.MethodGet, path, nil)
		if err != nil {
			return nil, b.judge(a, "the repository", err)
		}
		repo := &github.Repository{}
		_, err = a.api.Do(req, repo)
		var moved *github.RedirectionError
		if errors.As(err, &moved) && moved.Location != nil {
			// The door lets nothing out to another host.
			path = moved.Location.String()
			continue
		}
		if err != nil {
			return nil, b.noRepo(a, err)
		}
		return repo, b.usable(repo)
	}
	return nil, b.fault("it is moved without end: set coordination.repo to where it is")
}

func (b *Backend) noRepo(a *account, err error) error {
	if status(err) == http.StatusNotFound {
		return b.fault("it is not there for the token of the secret " + a.secret +
			": set coordination.repo right, or let the token's \"Repository access\" have it")
	}
	return b.judge(a, "the repository", err)
}

func (b *Backend) usable(repo *github.Repository) error {
	switch {
	case repo.GetArchived():
		return b.fault("it is archived: unarchive it under Settings, General, or name another in coordination.repo")
	case repo.GetDisabled():
		return b.fault("GitHub has disabled it: name another in coordination.repo")
	case repo.HasIssues != nil && !repo.GetHasIssues():
		return b.fault("its issues are switched off: switch them on under Settings, General, Features, Issues")
	case repo.GetOwner().GetLogin() == "" || repo.GetName() == "":
		return &backend.Later{Err: errors.New("github: the repository: the answer has no name in it")}
	}
	return nil
}

// moved forgets where the repository was.
func (b *Backend) moved(p *place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.where == p {
		b.where = nil
	}
}
