package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// notifyTime bounds what is told to a server that need not listen.
	notifyTime = 5 * time.Second

	// maxReplies are answers to the server's own questions that wait until it reads them. More are not given.
	maxReplies = 16
)

// link is a connection to a server that has begun with its initialize.
type link struct {
	conn     mcp.Connection
	end      func(kill bool) // of the server itself
	notified func(method string, params json.RawMessage)
	grace    time.Duration
	info     Info

	replies chan *jsonrpc.Response
	probing atomic.Bool

	mu    sync.Mutex
	next  int64
	calls map[int64]*call
	err   error // why it has ended
	done  chan struct{}
}

// question is what a server is asked.
type question struct {
	method   string
	params   func(id int64) any // of the question with this identifier, which is that of its progress too
	progress Progress           // nil where nobody wants to know
}

// call is a question without an answer yet.
type call struct {
	answer   chan *jsonrpc.Response // takes one
	progress Progress
}

func newLink(conn mcp.Connection, end func(kill bool), o *Options) *link {
	l := &link{
		conn: conn, end: end, notified: o.Notified, grace: o.Grace,
		replies: make(chan *jsonrpc.Response, maxReplies), calls: map[int64]*call{}, done: make(chan struct{}),
	}
	go l.read()
	go l.reply()
	return l
}

func (l *link) alive() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// fail ends the link: each open call has this error, but one that has its answer already.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.done)
	}
}

// kill ends the server at once.
func (l *link) kill(err error) {
	l.fail(err)
	l.end(true)
	_ = l.conn.Close() // it is of no use any more
}

// close ends the server and gives it time.
func (l *link) close() {
	l.fail(gone("ends with its sidecar"))
	_ = l.conn.Close() // a server sees the end of its input
	l.end(false)
}

// read takes what the server says until its end.
func (l *link) read() {
	for {
		msg, err := l.conn.Read(context.Background())
		if err != nil {
			l.kill(asGone(err))
			return
		}
		switch msg := msg.(type) {
		case *jsonrpc.Response:
			l.answered(msg)
		case *jsonrpc.Request:
			l.told(msg)
		}
	}
}

func asGone(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return gone("has broken off: %v", err)
}

func (l *link) answered(r *jsonrpc.Response) {
	id, _ := r.ID.Raw().(int64)
	l.mu.Lock()
	c := l.calls[id]
	delete(l.calls, id)
	l.mu.Unlock()
	if c != nil { // else it was cancelled, or never asked
		c.answer <- r
	}
}

// told takes what the server says on its own account. Its questions are refused: it gets nothing from an agent but calls.
func (l *link) told(r *jsonrpc.Request) {
	switch {
	case r.IsCall():
		reply := &jsonrpc.Response{ID: r.ID, Result: json.RawMessage("{}")}
		if r.Method != "ping" {
			reply = &jsonrpc.Response{ID: r.ID, Error: &jsonrpc.Error{
				Code: jsonrpc.CodeMethodNotFound, Message: "a sidecar's tool may not ask its clients",
			}}
		}
		select {
		case l.replies <- reply:
		default: // it asks faster than it reads
		}
	case r.Method == "notifications/progress":
		l.progressed(r.Params)
	default:
		l.notified(r.Method, r.Params)
	}
}

func (l *link) progressed(params json.RawMessage) {
	var p struct {
		Token json.Number `json:"progressToken"`
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	id, err := p.Token.Int64()
	if err != nil {
		return
	}
	l.mu.Lock()
	c := l.calls[id]
	l.mu.Unlock()
	if c != nil && c.progress != nil {
		c.progress(params)
	}
}

func (l *link) reply() {
	for {
		select {
		case r := <-l.replies:
			ctx, stop := context.WithTimeout(context.Background(), notifyTime)
			_ = l.conn.Write(ctx, r) // it has asked, and need not hear
			stop()
		case <-l.done:
			return
		}
	}
}

// ask asks and waits for the answer. The error is that of the answer, the cause of ctx's end, or why the link has ended.
func (l *link) ask(ctx context.Context, q question) (json.RawMessage, error) {
	c := &call{answer: make(chan *jsonrpc.Response, 1), progress: q.progress}
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return nil, l.err
	}
	l.next++
	n := l.next
	l.calls[n] = c
	l.mu.Unlock()
	defer l.forget(n)

	id, text, err := encode(n, q.params(n))
	if err != nil {
		return nil, err
	}
	if err := l.conn.Write(ctx, &jsonrpc.Request{ID: id, Method: q.method, Params: text}); err != nil {
		return nil, l.unsent(ctx, err)
	}
	select {
	case r := <-c.answer:
		return result(r)
	case <-l.done:
		select {
		case r := <-c.answer: // its last word
			return result(r)
		default:
			return nil, l.err
		}
	case <-ctx.Done():
		go l.giveUp(id, context.Cause(ctx))
		return nil, context.Cause(ctx)
	}
}

func encode(n int64, params any) (jsonrpc.ID, json.RawMessage, error) {
	id, err := jsonrpc.MakeID(float64(n))
	if err != nil {
		return id, nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(params)
	return id, bytes.TrimSpace(b.Bytes()), err
}

func result(r *jsonrpc.Response) (json.RawMessage, error) {
	if r.Error != nil {
		return nil, r.Error
	}
	if len(r.Result) == 0 || r.Result[0] != '{' {
		return nil, gone("has answered with no result")
	}
	return r.Result, nil
}

func (l *link) forget(n int64) {
	l.mu.Lock()
	delete(l.calls, n)
	l.mu.Unlock()
}

// unsent is the error for a question that could not be sent.
func (l *link) unsent(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-l.done:
		return l.err
	case <-time.After(settle): // a server that ends closes its input a moment before that is known
		return asGone(err)
	}
}

// settle is how long the reason of a failure may come after it.
const settle = 200 * time.Millisecond

// giveUp tells the server that nobody waits any more. A server that took too long must show that it is alive.
func (l *link) giveUp(id jsonrpc.ID, cause error) {
	reason := "the client has cancelled the call"
	if errors.Is(cause, errTimeout) {
		reason = "the call has taken too long"
		if l.probing.CompareAndSwap(false, true) {
			go l.probe()
		}
	}
	l.notify("notifications/cancelled", struct {
		ID     any    `json:"requestId"`
		Reason string `json:"reason"`
	}{id.Raw(), reason})
}

func (l *link) notify(method string, params any) {
	_, text, err := encode(0, params)
	if err != nil {
		return // cannot be: what we tell can be encoded
	}
	ctx, stop := context.WithTimeout(context.Background(), notifyTime)
	defer stop()
	_ = l.conn.Write(ctx, &jsonrpc.Request{Method: method, Params: text}) // it need not hear it
}

// probe ends a server that does not even answer a ping.
func (l *link) probe() {
	defer l.probing.Store(false)
	ctx, stop := context.WithTimeoutCause(context.Background(), l.grace, errTimeout)
	defer stop()
	_, err := l.ask(ctx, question{"ping", func(int64) any { return struct{}{} }, nil})
	if errors.Is(err, errTimeout) {
		l.kill(gone("was ended, since it did not answer for %s after a call had taken too long", l.grace))
	}
}
