package chatctl

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"fleet/schemas/chat"
)

const (
	// answerTime bounds a request and its answer: a claim may have to wait for the place where people read along.
	answerTime = time.Minute

	// maxAnswer bounds an answer: texts, each byte of which JSON may write as six, and what is around them.
	maxAnswer = 6*MaxPageText + MaxBody + MaxPage*4<<10

	// tries is how often a request is made whose connection is lost: a daemon that ends loses those that it has, and the
	// next one takes the same socket. What a request does it does once.
	tries     = 4
	tryPause  = 250 * time.Millisecond
	host      = "chat" // which is not looked at
	mediaType = "application/json"
)

// Client speaks with one chat. Its methods may be called at once by several goroutines.
type Client struct {
	socket string
	http   *http.Client
}

// New makes a client of the chat at a control socket. It connects when it is asked for something.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, &Unreachable{socket, err}
		}
		return c, nil
	}
	return &Client{socket, &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Unreachable is the error where nobody listens at the socket, or this user may not connect.
type Unreachable struct {
	Socket string
	Err    error
}

// Error names the socket.
func (u *Unreachable) Error() string { return fmt.Sprintf("reach the chat at %s: %v", u.Socket, u.Err) }

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// Refused is the error for what the chat does not do, with its reason. Nothing has changed.
type Refused string

// Error is the reason.
func (r Refused) Error() string { return string(r) }

// Chat tells what there is.
func (c *Client) Chat(ctx context.Context) (out Chat, err error) {
	err = c.get(ctx, ChatPath, nil, &out)
	return out, err
}

// Messages answers a query.
func (c *Client) Messages(ctx context.Context, q Query) (out Messages, err error) {
	v := url.Values{"channel": {q.Channel}, "limit": {strconv.Itoa(q.Limit)}}
	if q.Thread != "" {
		v.Set("thread", q.Thread)
	}
	if q.After != nil {
		v.Set("after", strconv.FormatInt(*q.After, 10))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	err = c.get(ctx, MessagesPath, v, &out)
	return out, err
}

// Post says something, once.
func (c *Client) Post(ctx context.Context, m NewMessage) (out chat.Message, err error) {
	if m.Key == "" {
		m.Key = rand.Text()
	}
	var posted Posted
	err = c.send(ctx, http.MethodPost, MessagesPath, m, &posted)
	if err == nil && posted.Message == nil {
		return out, errors.New("the chat does not say what it has stored")
	}
	if err == nil {
		out = *posted.Message
	}
	return out, err
}

// Alert says something as the fleet, once. It is nil where it is counted and told later.
func (c *Client) Alert(ctx context.Context, a Alert) (*chat.Message, error) {
	if a.Key == "" {
		a.Key = rand.Text()
	}
	var posted Posted
	err := c.send(ctx, http.MethodPost, AlertsPath, a, &posted)
	return posted.Message, err
}

// Tasks lists tasks.
func (c *Client) Tasks(ctx context.Context, f Filter) (out Tasks, err error) {
	v := url.Values{"state": f.States, "after": {strconv.FormatInt(f.After, 10)}, "limit": {strconv.Itoa(f.Limit)}}
	if f.For != "" {
		v.Set("for", f.For)
	}
	err = c.get(ctx, TasksPath, v, &out)
	return out, err
}

// Task returns a task.
func (c *Client) Task(ctx context.Context, number int64) (out chat.Task, err error) {
	err = c.get(ctx, taskPath(number), nil, &out)
	return out, err
}

// CreateTask makes a task, once.
func (c *Client) CreateTask(ctx context.Context, t NewTask) (out chat.Task, err error) {
	if t.Key == "" {
		t.Key = rand.Text()
	}
	err = c.send(ctx, http.MethodPost, TasksPath, t, &out)
	return out, err
}

// ClaimTask takes a task that is to do.
func (c *Client) ClaimTask(ctx context.Context, number int64, by Claim) (out chat.Task, err error) {
	err = c.send(ctx, http.MethodPost, taskPath(number)+"/claim", by, &out)
	return out, err
}

// UpdateTask changes a task.
func (c *Client) UpdateTask(ctx context.Context, number int64, to Change) (out chat.Task, err error) {
	err = c.send(ctx, http.MethodPatch, taskPath(number), to, &out)
	return out, err
}

func taskPath(number int64) string { return TasksPath + "/" + strconv.FormatInt(number, 10) }

func (c *Client) get(ctx context.Context, path string, v url.Values, out any) error {
	return c.exchange(ctx, http.MethodGet, path+query(v), nil, out)
}

func query(v url.Values) string {
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if len(body) > MaxBody {
		return Refused(fmt.Sprintf("a text has at most %d bytes", chat.MaxMessage))
	}
	return c.exchange(ctx, method, path, body, out)
}

// exchange makes a request until it has an answer.
func (c *Client) exchange(ctx context.Context, method, target string, body []byte, out any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for n := range tries {
		if n > 0 {
			pause(ctx, tryPause)
		}
		var answer *http.Response
		if answer, err = c.request(ctx, method, target, body); err == nil {
			err = decode(answer, out)
		}
		var lost *lostError
		if !errors.As(err, &lost) || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the chat at %s does not answer", c.socket)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// lostError is a connection that ended before the answer did.
type lostError struct{ err error }

func (l *lostError) Error() string { return fmt.Sprintf("the chat broke off: %v", l.err) }

func (l *lostError) Unwrap() error { return l.err }

func (c *Client) request(ctx context.Context, method, target string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+host+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", mediaType)
	}
	answer, err := c.http.Do(r)
	var nowhere *Unreachable
	switch {
	case errors.As(err, &nowhere):
		return nil, nowhere
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, &lostError{err}
	}
	return answer, nil
}

// decode reads an answer.
func decode(answer *http.Response, out any) error {
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &lostError{err}
	case len(text) > maxAnswer:
		return errors.New("the chat's answer is too long")
	case answer.StatusCode != http.StatusOK:
		return failure(answer.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the chat's answer makes no sense: %w", err)
	}
	return nil
}

func failure(status int, text []byte) error {
	var f Failure
	if json.Unmarshal(text, &f) != nil || f.Error == "" {
		return fmt.Errorf("the chat answers %d %s: is it of another version?", status, http.StatusText(status))
	}
	switch status {
	case http.StatusConflict, http.StatusForbidden, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return Refused(f.Error)
	}
	return errors.New(f.Error)
}
