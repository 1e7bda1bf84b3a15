package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"fleet/cmd/fleet-chat/internal/backend"
)

// bot is one identity at Discord.
type bot struct {
	agent  agent  // whose; its key is "" for the fleet's bot
	secret string // name of the token in the vault
	way    *way
	rest   *discordgo.Session
	client *http.Client
	pace   *pace

	mu      sync.Mutex
	id      string // of its user
	refused error  // no further request makes sense
}

// requestLimit is for one request with the wait for its rate limit.
const requestLimit = 30 * time.Second

// newBot makes a bot of the token that has a name.
func newBot(a agent, secret string, tokens Tokens, w *way, p *pace) (*bot, error) {
	b := &bot{agent: a, secret: secret, way: w, pace: p}
	token := tokens[secret]
	if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, fmt.Errorf("%s: the token must be printable ASCII without spaces; set it with: sudo fleet secret set %s",
			b.key(), secret)
	}
	b.client = &http.Client{
		Transport: newLimits(w, p), Timeout: requestLimit,
		// Discord's interface sends nobody elsewhere; what does is in between, and gets no token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var err error
	if b.rest, err = discordgo.New("Bot " + token); err != nil {
		return nil, err
	}
	b.quiet(b.rest)
	return b, nil
}

// quiet makes a session print nothing, since its lines can have the token, and try nothing again by itself: it would
// do so at once, or sleep without end.
func (b *bot) quiet(s *discordgo.Session) {
	s.LogLevel = discordgo.LogError - 1
	s.Client = b.client
	s.StateEnabled = false
	s.SyncEvents = true
	s.ShouldReconnectOnError = false
	s.ShouldRetryOnRateLimit = false
	s.MaxRestRetries = 0
}

// session returns a session for the gateway.
func (b *bot) session() *discordgo.Session {
	s, _ := discordgo.New(b.rest.Token) // has no error
	b.quiet(s)
	return s
}

// key is where the token comes from in the spec.
func (b *bot) key() string {
	if b.agent.key == "" {
		return "coordination.tokenSecret"
	}
	return "agents." + b.agent.key + ".chatTokenSecret"
}

// apiError is Discord's refusal of a request. It does not hold the request, whose header has the token.
type apiError struct {
	route   string
	status  int
	code    int // 0 if there is none
	message string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s: Discord refuses it: %d %s (code %d)", e.route, e.status, e.message, e.code)
}

// Discord's codes.
const (
	codeUnknownChannel = 10003
	codeUnknownMessage = 10008
	codeArchived       = 50083
	codeHasThread      = 160004
	codeThreads        = 160006 // there are as many active threads as can be
)

// isRefused tells a refusal of Discord's own, which no further try mends.
func isRefused(err error) bool {
	var e *apiError
	var later *backend.Later
	return errors.As(err, &e) && !errors.As(err, &later)
}

func isCode(err error, code int) bool {
	var e *apiError
	return errors.As(err, &e) && e.code == code
}

func isStatus(err error, status int) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == status
}

// gone tells that something is not there, or not for us.
func gone(err error) bool {
	return isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden)
}

// refusedError says that a token is of no use.
type refusedError struct{ bot *bot }

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s: Discord refuses the token: reset it in the developer portal (Applications, Bot, Reset Token)"+
		" and store the new one with: sudo fleet secret set %s", e.bot.key(), e.bot.secret)
}

// call sends a request and reads the answer into out, if it is not nil. The error is a *backend.Later, an *apiError or
// a *refusedError.
func (b *bot) call(ctx context.Context, method, place string, in, out any) error {
	if _, err := b.known(); err != nil {
		return err
	}
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	// A bucket of its own for each request: the limits are kept by the client's transport.
	bucket := &discordgo.Bucket{}
	bucket.Lock()
	answer, err := b.rest.RequestWithLockedBucket(method, place, "application/json", body, bucket, 0,
		discordgo.WithContext(ctx))
	route := method + " " + strings.TrimPrefix(place, discordgo.EndpointAPI)
	if err != nil {
		return b.fault(route, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return &backend.Later{Err: fmt.Errorf("%s: answer is not what it should be: %w", route, err)}
	}
	return nil
}

// fault makes of what discordgo returns one of our errors.
func (b *bot) fault(route string, err error) error {
	var rest *discordgo.RESTError
	var wait *limited
	var at *url.Error
	switch {
	case errors.As(err, &wait):
		return &backend.Later{After: wait.after, Err: wait}
	case errors.As(err, &rest):
		return b.answered(route, rest)
	case errors.As(err, &at):
		err = at.Err // without the address, which route tells already
	}
	return &backend.Later{Err: fmt.Errorf("%s: %s", route, brief(err.Error()))}
}

func (b *bot) answered(route string, rest *discordgo.RESTError) error {
	e := &apiError{route: route, status: rest.Response.StatusCode}
	if rest.Message == nil || rest.Message.Message == "" {
		// Discord's own refusals are JSON. This one comes from before it: a gate, a proxy, Cloudflare.
		return &backend.Later{Err: fmt.Errorf("%s: %d %s", route, e.status, brief(string(rest.ResponseBody)))}
	}
	e.code, e.message = rest.Message.Code, brief(rest.Message.Message)
	switch {
	case e.status == http.StatusUnauthorized:
		return b.refuse()
	case e.status < 400 || e.status >= 500 || e.status == http.StatusRequestTimeout:
		return &backend.Later{Err: e}
	}
	return e
}

// refuse notes that the token is of no use.
func (b *bot) refuse() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = &refusedError{b}
	return b.refused
}

// brief bounds what is repeated of an answer, on one line.
func brief(text string) string {
	text = strings.Join(strings.Fields(clean(text)), " ")
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return text
}

// definite tells whether an error means that nothing was done.
func definite(err error) bool {
	var wait *limited
	var api *apiError
	var refused *refusedError
	return errors.As(err, &wait) || errors.As(err, &refused) ||
		errors.As(err, &api) && 400 <= api.status && api.status < 500 && api.status != http.StatusRequestTimeout
}

// known returns the ID of the bot's user, "" if it has not been asked for yet.
func (b *bot) known() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id, b.refused
}

// me returns the ID of the bot's user.
func (b *bot) me(ctx context.Context) (string, error) {
	if id, err := b.known(); id != "" || err != nil {
		return id, err
	}
	var u user
	if err := b.call(ctx, http.MethodGet, discordgo.EndpointUser("@me"), nil, &u); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.id = u.ID
	return u.ID, nil
}
