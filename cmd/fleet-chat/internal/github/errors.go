package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v89/github"

	"fleet/cmd/fleet-chat/internal/backend"
)

// mendTime is when to try again what a person must mend at GitHub: the outbox keeps it until then.
const mendTime = 5 * time.Minute

// Fault is what somebody must set right at GitHub.
type Fault struct{ text string }

// Error says what, and how.
func (f *Fault) Error() string { return f.text }

func (b *Backend) fault(text string) error {
	return &Fault{"github: repository " + b.repo() + ": " + text}
}

func (b *Backend) repo() string { return b.config.Backend.Repo }

func (b *Backend) refused(a *account) error {
	return &Fault{fmt.Sprintf("github: GitHub refuses the token of the secret %[1]s: it is mistyped, expired or revoked; "+
		"make a fine-grained token for %[2]s with the permission Issues: read and write, and set it with: "+
		"sudo fleet secret set %[1]s", a.secret, b.repo())}
}

func (b *Backend) forbidden(a *account, said string) error {
	return &Fault{fmt.Sprintf("github: the token of the secret %s may not write issues of %s (%s): "+
		"give it the repository permission Issues: read and write, under Settings, Developer settings, "+
		"Personal access tokens; an organization's owner may have to approve it; and the account must be a collaborator",
		a.secret, b.repo(), said)}
}

// errMoved is an answer that leads to another address.
var errMoved = errors.New("the repository has moved")

// judge makes an error of a request one of three: backend.Later, Fault, or one that is final for what was asked. No
// text of it has a token. What may have been done all the same is not tried again before it can be found.
func (b *Backend) judge(a *account, doing string, err error) error {
	var later *backend.Later
	var fault *Fault
	var answer *github.ErrorResponse
	var primary *github.RateLimitError
	var secondary *github.AbuseRateLimitError
	var moved *github.RedirectionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault):
		return err
	case errors.As(err, &later):
		return &backend.Later{After: later.After, Err: fmt.Errorf("github: %s: %w", doing, later.Err)}
	case errors.As(err, &primary), errors.As(err, &secondary):
		return &backend.Later{After: a.limit.left(), Err: fmt.Errorf("github: %s: a limit of GitHub's is reached", doing)}
	case errors.As(err, &moved):
		return &backend.Later{Err: fmt.Errorf("github: %s: %w", doing, errMoved)}
	case errors.As(err, &answer):
		return b.judgeAnswer(a, doing, answer)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &backend.Later{After: lag, Err: fmt.Errorf("github: %s: %w", doing, err)}
	}
	return &backend.Later{After: lag, Err: fmt.Errorf("github: %s: %s", doing, b.scrub(cause(err)))}
}

func cause(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the answer is cut off or no JSON"
	}
	return plain(err.Error())
}

func (b *Backend) judgeAnswer(a *account, doing string, e *github.ErrorResponse) error {
	said := b.said(e)
	err := fmt.Errorf("github: %s: %s", doing, said)
	code := e.Response.StatusCode
	switch {
	case code == http.StatusUnauthorized:
		return b.refused(a)
	case code >= http.StatusInternalServerError, code == http.StatusRequestTimeout, code == http.StatusConflict:
		return &backend.Later{After: max(a.limit.left(), lag), Err: err}
	case code == http.StatusTooManyRequests, a.limit.left() > 0:
		return &backend.Later{After: a.limit.left(), Err: err}
	case code == http.StatusForbidden && strings.Contains(e.Message, "not accessible"):
		return b.forbidden(a, said)
	}
	return &refusal{code, err}
}

// refusal is an answer that is final for what was asked.
type refusal struct {
	code int
	err  error
}

// Error is what GitHub said.
func (r *refusal) Error() string { return r.err.Error() }

// status is the code of an answer that refuses, else 0.
func status(err error) int {
	var answer *github.ErrorResponse
	var r *refusal
	switch {
	case errors.As(err, &answer):
		return answer.Response.StatusCode
	case errors.As(err, &r):
		return r.code
	}
	return 0
}

// said is what an answer says, as text of one line.
func (b *Backend) said(e *github.ErrorResponse) string {
	text := fmt.Sprintf("%d %s", e.Response.StatusCode, e.Message)
	for _, d := range e.Errors {
		text += fmt.Sprintf("; %s %s %s", d.Field, d.Code, d.Message)
	}
	return b.scrub(plain(text))
}

// scrub takes all tokens out of a text.
func (b *Backend) scrub(text string) string {
	for _, a := range b.accounts {
		text = a.token.scrub(text)
	}
	return text
}

// settle is the error of Do and Claim: what a person must mend is told to Run, and the effect kept until then. What one
// issue refuses may be for the whole repository, which only the repository tells.
func (b *Backend) settle(ctx context.Context, p *place, a *account, err error) error {
	if errors.Is(err, errMoved) {
		err = b.whereTo(ctx, p, err)
	}
	if c := status(err); c == http.StatusNotFound || c == http.StatusForbidden || c == http.StatusGone {
		if _, repo := b.findRepo(ctx, a); repo != nil {
			err = repo
		}
	}
	var fault *Fault
	if errors.As(err, &fault) {
		select {
		case b.faults <- fault:
		default: // one is enough
		}
		return &backend.Later{After: mendTime, Err: fault}
	}
	return err
}

// whereTo tells of an answer that leads elsewhere whether the whole repository has moved, which ready finds out anew,
// or the issue alone, which is final.
func (b *Backend) whereTo(ctx context.Context, p *place, err error) error {
	repo, wrong := b.findRepo(ctx, b.fleet)
	switch {
	case wrong != nil:
		return wrong
	case p != nil && repo.GetOwner().GetLogin() == p.owner && repo.GetName() == p.name:
		return &refusal{http.StatusGone, errors.New("github: the issue has moved to another repository")}
	}
	b.moved(p)
	return err
}

// gone tells whether what was asked for is there no more.
func gone(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.code == http.StatusNotFound || r.code == http.StatusGone)
}
