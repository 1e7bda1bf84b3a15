package chatctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"fleet/schemas/chat"
)

const (
	// silence is after how long without a line the connection is given up: three beats of the chat's.
	silence = 45 * time.Second

	// againPause is between two tries to connect.
	againPause = 250 * time.Millisecond

	maxLine = MaxBody + 64<<10
)

// Follower follows channels.
type Follower struct {
	// At has for each channel the number of the last message that was handed on. Follow keeps it.
	At map[string]int64

	// New has it follow channels that begin later too, and go on without those that are no more.
	New bool

	// Each is called with one message after the other, those of a channel in their order, each once. An error ends it.
	Each func(chat.Message) error

	// Lost is called when the chat is not there any more, once until it is back; Back when it is. Both may be nil.
	Lost func(error)
	Back func()
}

// Follow hands on what is behind the positions, and what comes, until ctx ends; then it returns nil. While the chat is not
// there it waits. It is an error where the chat is not there at the beginning, or refuses.
func (c *Client) Follow(ctx context.Context, f *Follower) error {
	for lost := false; ; {
		begun, err := c.stream(ctx, f, func() {
			if lost && f.Back != nil {
				f.Back()
			}
			lost = false
		})
		var refused Refused
		var each *eachError
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // an end that was asked for
		case errors.As(err, &each):
			return each.err
		case errors.As(err, &refused), !begun && !lost:
			return err
		}
		if !lost && f.Lost != nil {
			f.Lost(err)
		}
		lost = true
		pause(ctx, againPause)
	}
}

// eachError is one that connecting again would not mend.
type eachError struct{ err error }

func (e *eachError) Error() string { return e.err.Error() }

var errSilent = errors.New("the chat does not answer")

// stream follows over one connection. begun tells that the chat was there.
func (c *Client) stream(ctx context.Context, f *Follower, begin func()) (begun bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	defer func() {
		if errors.Is(context.Cause(ctx), errSilent) {
			err = errSilent
		}
	}()
	v := url.Values{}
	for _, key := range slices.Sorted(maps.Keys(f.At)) {
		v.Add("at", key+":"+strconv.FormatInt(f.At[key], 10))
	}
	if f.New {
		v.Set("new", Yes)
	}
	answer, err := c.request(ctx, http.MethodGet, FollowPath+query(v), nil)
	if err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, decode(answer, nil)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		quiet.Reset(silence)
		if !begun {
			begun = true
			begin()
		}
		if err := f.take(lines.Bytes()); err != nil {
			return begun, err
		}
	}
	if err := lines.Err(); err != nil {
		return begun, &lostError{err}
	}
	return begun, &lostError{io.EOF}
}

// take hands on what is new of a line.
func (f *Follower) take(text []byte) error {
	var line Line
	if err := json.Unmarshal(text, &line); err != nil {
		return &eachError{fmt.Errorf("the chat's answer makes no sense: %w", err)}
	}
	m := line.Message
	if m == nil {
		return nil
	}
	at, followed := f.At[m.Channel]
	if !followed && !f.New || m.Seq <= at {
		return nil
	}
	if err := f.Each(*m); err != nil {
		return &eachError{err}
	}
	f.At[m.Channel] = m.Seq
	return nil
}
