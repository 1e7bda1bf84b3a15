// Package tool runs the MCP server behind a sidecar, or reaches it over HTTP, and asks it on behalf of agents. It stands
// between them and everything that the server may do wrong: it may not start, end at any time, answer nothing, too much,
// twice, or no JSON. Each question gets an answer or a clear error, within the time for a call.
package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-sidecar/internal/credentials"
	"fleet/cmd/fleet-sidecar/internal/scrub"
	"fleet/schemas/sidecar"
)

const (
	// firstPause is after the second failure in a row; it doubles with each further one, up to maxPause. Who has run for
	// stable has not failed at its start.
	firstPause, maxPause = 250 * time.Millisecond, 30 * time.Second
	stable               = time.Minute
)

// Options of a Tool.
type Options struct {
	Config  *sidecar.Config
	Secrets *credentials.Set
	Scrub   *scrub.Scrubber
	Home    string // HOME of the program
	Log     *logrus.Logger

	// Notified is called with each notification of the server that belongs to no call, in order. It must not wait.
	Notified func(method string, params json.RawMessage)

	// Ready is how long the server may take to be ready.
	Ready time.Duration

	// Grace is how long a server may go without an answer to a ping, after a call took too long, until it is ended.
	Grace time.Duration
}

// Tool is the server. It is started when it is first needed, and again when it is needed after it has ended.
type Tool struct {
	o    Options
	life context.Context // ends with Close
	stop context.CancelFunc

	mu        sync.Mutex
	link      *link // nil, or the last one
	starting  *start
	level     string // of its log; empty as long as nobody has asked for one
	failures  int    // in a row
	notBefore time.Time
	closed    bool
}

// start is one under way, for which all that need the server wait together.
type start struct {
	done chan struct{}
	link *link
	err  error
}

// Error is why there is no answer of the server. Its text is for the agent; parts of it may come from the server.
type Error struct {
	Result string // as in a sidecar.Call
	text   string
}

func (e *Error) Error() string { return e.text }

func gone(format string, args ...any) *Error {
	return &Error{Result: sidecar.ResultGone, text: "the tool " + fmt.Sprintf(format, args...)}
}

// New makes a tool that is not started yet.
func New(o Options) *Tool {
	life, stop := context.WithCancel(context.Background())
	return &Tool{o: o, life: life, stop: stop}
}

// Info is what the server says of itself.
type Info struct {
	Instructions string
	ServerInfo   json.RawMessage // an object, or nil
	Logging      bool
	ListChanged  bool
}

// Info returns what the server has said at its start, and starts it where it does not run.
func (t *Tool) Info(ctx context.Context) (Info, error) {
	l, err := t.running(ctx)
	if err != nil {
		return Info{}, err
	}
	return l.info, nil
}

// List returns a page of the list of tools, as the server has written it.
func (t *Tool) List(ctx context.Context, cursor string) (json.RawMessage, error) {
	return t.ask(ctx, question{"tools/list", func(int64) any {
		return struct {
			Cursor string `json:"cursor,omitempty"`
		}{cursor}
	}, nil})
}

// SetLevel tells the server which messages of its log are wanted, also when it is started again.
func (t *Tool) SetLevel(ctx context.Context, level string) error {
	_, err := t.ask(ctx, leveled(level))
	if err == nil {
		t.mu.Lock()
		t.level = level
		t.mu.Unlock()
	}
	return err
}

func leveled(level string) question {
	return question{"logging/setLevel", func(int64) any {
		return struct {
			Level string `json:"level"`
		}{level}
	}, nil}
}

// Progress takes what the server tells of the progress of a call, the parameters of the notification. It must not wait.
type Progress func(params json.RawMessage)

// Call calls a tool of the server and returns the result as the server has written it: an object. progress may be nil. The
// error is an *Error, or a *jsonrpc.Error that the server has answered with.
func (t *Tool) Call(ctx context.Context, name string, arguments json.RawMessage, progress Progress) (json.RawMessage, error) {
	type meta struct {
		Token int64 `json:"progressToken"`
	}
	return t.ask(ctx, question{"tools/call", func(id int64) any {
		params := struct {
			Meta      *meta           `json:"_meta,omitempty"`
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		}{Name: name, Arguments: arguments}
		if progress != nil {
			params.Meta = &meta{id}
		}
		return params
	}, progress})
}

var errTimeout = errors.New("timeout")

func (t *Tool) ask(ctx context.Context, q question) (json.RawMessage, error) {
	limit := t.o.Config.Timeout()
	ctx, stop := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer stop()
	l, err := t.running(ctx)
	if err == nil {
		var result json.RawMessage
		if result, err = l.ask(ctx, q); err == nil {
			return result, nil
		}
	}
	return nil, t.explain(ctx, limit, err)
}

// explain makes an error of one that tells that the context is done.
func (t *Tool) explain(ctx context.Context, limit time.Duration, err error) error {
	var answered *jsonrpc.Error
	var ended *Error
	switch {
	case errors.As(err, &answered), errors.As(err, &ended):
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return &Error{Result: sidecar.ResultTimeout, text: fmt.Sprintf("the tool gave no answer within %s", limit)}
	case ctx.Err() != nil:
		return &Error{Result: sidecar.ResultCancelled, text: "the call was cancelled"}
	}
	return gone("cannot be asked: %v", err)
}

// running returns the link to the server, which it starts if need be.
func (t *Tool) running(ctx context.Context) (*link, error) {
	t.mu.Lock()
	if l := t.link; l != nil && l.alive() {
		t.mu.Unlock()
		return l, nil
	}
	s := t.starting
	if s == nil {
		if err := t.mayStart(); err != nil {
			t.mu.Unlock()
			return nil, err
		}
		s = &start{done: make(chan struct{})}
		t.starting = s
		go t.start(s)
	}
	t.mu.Unlock()
	select {
	case <-s.done:
		return s.link, s.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// mayStart tells why the server is not started now. t.mu is held.
func (t *Tool) mayStart() error {
	wait := time.Until(t.notBefore)
	switch {
	case t.closed:
		return gone("is not started any more: its sidecar ends")
	case wait > 0:
		wait = wait.Truncate(100*time.Millisecond) + 100*time.Millisecond
		return gone("has failed %d times in a row; it is tried again in %s", t.failures, wait)
	}
	return nil
}

func (t *Tool) start(s *start) {
	ctx, stop := context.WithTimeout(t.life, t.o.Ready)
	defer stop()
	began := time.Now()
	s.link, s.err = t.connect(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(s.done)
	t.starting = nil
	switch {
	case s.err != nil:
		t.failed(s.err)
	case t.closed:
		s.link.close()
		s.link, s.err = nil, gone("ends with its sidecar")
	default:
		t.link = s.link
		go t.watch(s.link, began)
		if t.level != "" {
			go t.again(s.link, leveled(t.level))
		}
	}
}

// again asks what the server before was asked. One that does not do it is used all the same.
func (t *Tool) again(l *link, q question) {
	ctx, stop := context.WithTimeout(t.life, t.o.Config.Timeout())
	defer stop()
	_, _ = l.ask(ctx, q) // as said
}

// watch waits for the end of a link.
func (t *Tool) watch(l *link, began time.Time) {
	<-l.done
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if time.Since(began) > stable {
		t.failures = 0
	}
	t.failed(l.err)
}

// failed notes a failure. t.mu is held.
func (t *Tool) failed(err error) {
	t.failures++
	pause := time.Duration(0)
	if t.failures > 1 {
		pause = min(firstPause<<min(t.failures-2, 20), maxPause)
	}
	t.notBefore = time.Now().Add(pause)
	t.o.Log.WithField("failures", t.failures).Error(t.o.Scrub.Text(err.Error()))
}

// Close ends the server: it gets time to end by itself.
func (t *Tool) Close() {
	t.mu.Lock()
	t.closed = true
	l, s := t.link, t.starting
	t.mu.Unlock()
	t.stop()
	if s != nil {
		<-s.done
	}
	if l != nil {
		l.close()
	}
}
