package slack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
)

const (
	// busy is how long a method is left alone that is used too often, where Slack does not say how long.
	busy = 30 * time.Second

	// mended is after how long it is tried again what a person has to mend in Slack.
	mended = time.Minute

	// settled is after how long it is looked again at what a call with an unknown end may have brought about.
	settled = 2 * time.Second
)

// fault is a call of Slack's that failed.
type fault struct {
	method string
	code   string // Slack's word for it; "" where the call did not get as far
	needed string // the scope, with missing_scope
	after  time.Duration
	kind   kind
	cause  string
}

// kind says what a fault means for what the call was to bring about.
type kind int

const (
	refused kind = iota // it is not there and never will be
	unsure              // it may be there
	limited             // it is not there; later it can be
	setup               // it is not there; it can be when a person has set something right
)

func (f *fault) Error() string {
	switch {
	case f.needed != "":
		return fmt.Sprintf("%s: %s: %s", f.method, f.code, f.needed)
	case f.code != "":
		return f.method + ": " + f.code
	default:
		return f.method + ": " + f.cause
	}
}

// codes are Slack's words that are more than a refusal.
var codes = map[string]kind{
	"ratelimited": limited, "rate_limited": limited, "message_limit_exceeded": limited,

	// It is possible that some aspect of the operation succeeded, says Slack.
	"internal_error": unsure, "fatal_error": unsure, "request_timeout": unsure, "service_unavailable": unsure,
	"service_timeout": unsure, "team_added_to_org": unsure, "no_response": unsure,

	"access_denied": setup, "accesslimited": setup, "account_inactive": setup, "app_missing_action_url": setup,
	"channel_not_found": setup, "ekm_access_denied": setup, "enterprise_is_restricted": setup, "forbidden_team": setup,
	"invalid_auth": setup, "is_archived": setup, "missing_scope": setup, "no_permission": setup,
	"not_allowed_token_type": setup, "not_authed": setup, "not_in_channel": setup, "org_login_required": setup,
	"restricted_action": setup, "restricted_action_non_threadable_channel": setup,
	"restricted_action_read_only_channel": setup, "restricted_action_thread_only_channel": setup,
	"team_access_not_granted": setup, "team_disabled": setup, "token_expired": setup, "token_revoked": setup,
	"user_removed_from_team": setup,
}

// tokenCodes are the words that speak against the token itself.
var tokenCodes = map[string]bool{
	"account_inactive": true, "invalid_auth": true, "not_allowed_token_type": true, "not_authed": true,
	"team_disabled": true, "token_expired": true, "token_revoked": true, "user_removed_from_team": true,
}

// asFault says what an error of a method means.
func asFault(method string, err error) *fault {
	f := &fault{method: method, kind: unsure}
	var (
		limit  *slackgo.RateLimitedError
		status slackgo.StatusCodeError
		said   slackgo.SlackErrorResponse
	)
	switch {
	case errors.As(err, &limit):
		f.kind, f.code, f.after = limited, "ratelimited", limit.RetryAfter
	case errors.As(err, &said):
		f.code, f.kind = said.Err, codes[said.Err]
		if f.code == "missing_scope" {
			f.needed = said.Needed
		}
		if f.kind == limited {
			f.after = busy
		}
	case errors.As(err, &status):
		f.cause = fmt.Sprintf("HTTP status %d", status.Code)
		if status.Code == 429 {
			f.kind, f.code, f.after = limited, "ratelimited", busy
		}
	default:
		f.cause = cause(err)
	}
	f.code, f.needed = redact(f.code), redact(f.needed)
	return f
}

// later is the fault as backend.Do returns it.
func (f *fault) later() error {
	switch f.kind {
	case limited:
		return &backend.Later{After: f.after, Err: f}
	case unsure:
		return &backend.Later{After: settled, Err: f}
	case setup:
		return &backend.Later{After: mended, Err: f}
	default:
		return f
	}
}

// ended is an error that a further try may mend where it is there because ctx has ended.
func ended(ctx context.Context, err error) error {
	var later *backend.Later
	if err == nil || ctx.Err() == nil || errors.As(err, &later) {
		return err
	}
	return &backend.Later{Err: err}
}

// is reports whether an error is Slack's word.
func is(err error, code string) bool {
	var f *fault
	return errors.As(err, &f) && f.code == code
}

// tokens matches what looks like a token of Slack's, or the ticket of a connection, wherever it stands.
var tokens = regexp.MustCompile(`(?i)\b(xox[a-z]|xapp|xwfp)(e\.[a-z]+)?-[\w.-]+|\bticket=[^&\s"]*`)

// redact takes tokens out of a text.
func redact(s string) string { return tokens.ReplaceAllString(s, "[redacted]") }

// cause is what an error says, without the address, whose query may have a secret.
func cause(err error) string {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return redact(err.Error())
}
