package tool

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"fleet/cmd/internal/frames"
)

// pipes is the connection to a program over its standard streams. It gives on only whole messages.
type pipes struct {
	p        *process
	r        *frames.Reader
	said     *said
	patience time.Duration // for a program that does not read

	turn  chan struct{} // held by who writes
	queue []jsonrpc.Message
	once  sync.Once
}

func newPipes(p *process, o *Options) *pipes {
	c := &pipes{
		p: p, r: frames.NewReader(p.stdout, o.Config.MaxMessage), said: newSaid(o), patience: o.Config.Timeout(),
		turn: make(chan struct{}, 1),
	}
	go c.said.follow(p.stderr)
	return c
}

// SessionID is empty: there is one session.
func (c *pipes) SessionID() string { return "" }

// Read returns the next message. What is no message is passed by; where it can be told whose answer it was to be, that one
// gets an error.
func (c *pipes) Read(context.Context) (jsonrpc.Message, error) {
	for len(c.queue) == 0 {
		line, err := c.r.Next()
		var long *frames.TooLong
		switch {
		case errors.As(err, &long):
			c.said.odd("a message with more than the bytes of maxMessage")
			if long.ID.IsValid() && !long.Request {
				c.fault(long.ID, long.Error())
			}
		case err != nil:
			return nil, c.ended(err)
		case line[0] == '[':
			c.batch(line)
		case line[0] != '{':
			c.said.line("stdout", line)
		default:
			c.message(line)
		}
	}
	next := c.queue[0]
	c.queue = c.queue[1:]
	return next, nil
}

// message takes one message in.
func (c *pipes) message(text []byte) {
	msg, err := jsonrpc.DecodeMessage(text)
	if err == nil {
		c.queue = append(c.queue, msg)
		return
	}
	c.said.odd("a message that is no JSON-RPC")
	if id := frames.ID(text); id.IsValid() {
		c.fault(id, "the tool has answered with what is no JSON-RPC")
	}
}

// batch takes in several messages, as versions before 2025-06-18 may send them.
func (c *pipes) batch(text []byte) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		c.said.line("stdout", text)
		return
	}
	for _, one := range list {
		c.message(one)
	}
}

// fault answers a call in the program's place.
func (c *pipes) fault(id jsonrpc.ID, text string) {
	c.queue = append(c.queue, &jsonrpc.Response{ID: id, Error: gone("is not understood: %s", text)})
}

// ended tells why nothing more comes.
func (c *pipes) ended(err error) error {
	if c.p.within(lateTime) {
		return gone("has ended (%s)", c.p.how)
	}
	if errors.Is(err, io.EOF) {
		return gone("has closed its output")
	}
	return gone("cannot be read: %v", err)
}

// Write sends a message, in its turn.
func (c *pipes) Write(ctx context.Context, msg jsonrpc.Message) error {
	text, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	if err := c.p.stdin.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return err
	}
	if _, err = c.p.stdin.Write(append(text, '\n')); errors.Is(err, os.ErrDeadlineExceeded) {
		return gone("does not read what it is asked")
	}
	return err
}

// Close closes the program's input.
func (c *pipes) Close() error {
	var err error
	c.once.Do(func() { err = c.p.stdin.Close() })
	return err
}
