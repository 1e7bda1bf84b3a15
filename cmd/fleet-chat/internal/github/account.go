package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/google/go-github/v89/github"
)

// maxAnswer bounds an answer: a hundred comments of the greatest length, 4 bytes for each character, and what is
// around.
const maxAnswer = 32 << 20

// account is one that we write with.
type account struct {
	api    *github.Client
	limit  *limit
	token  Token
	secret string
	agents []string     // keys of those it belongs to; none for the fleet's
	login  atomic.Value // string, once known
}

// openAccount makes the account of a token.
func (b *Backend) openAccount(secret string) (*account, error) {
	token := b.options.Tokens[secret]
	if !token.valid() {
		return nil, fmt.Errorf("github: secret %s: the token must be printable ASCII without spaces", secret)
	}
	a := &account{limit: newLimit(), token: token, secret: secret}
	client := &http.Client{
		Transport: &door{base: b.base, account: a, next: b.options.Transport},
		// A redirected POST would become a GET; where the repository is now, ready finds out.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	address := b.base.String()
	var err error
	// The library's own limits go by this host's clock, which may be wrong: see limit.
	a.api, err = github.NewClient(github.WithHTTPClient(client), github.WithURLs(&address, nil),
		github.WithUserAgent(userAgent), github.WithDisableRateLimitCheck())
	return a, err
}

func (a *account) name() string {
	s, _ := a.login.Load().(string)
	return s
}

// door is what all requests of an account go through: one at a time, within the limits, to the one host that may see
// the token. It hands on answers that are complete.
type door struct {
	base    *url.URL
	account *account
	next    http.RoundTripper
}

// RoundTrip is http.RoundTripper's.
func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if r.URL.Scheme != d.base.Scheme || r.URL.Host != d.base.Host || !strings.HasPrefix(r.URL.Path, d.base.Path) {
		return nil, errors.New("the answer leads to another place than the API")
	}
	changes := r.Method != http.MethodGet
	if err := d.account.limit.enter(r.Context(), changes); err != nil {
		return nil, err
	}
	defer d.account.limit.leave(changes)
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	r = r.Clone(ctx)
	r.Header.Set("Authorization", "Bearer "+d.account.token.value)
	resp, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err == nil && len(body) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	d.account.limit.note(resp, body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
