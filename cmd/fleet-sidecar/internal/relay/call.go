package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet-sidecar/internal/rules"
	"fleet/cmd/fleet-sidecar/internal/tool"
	"fleet/cmd/internal/stdio"
	"fleet/schemas/sidecar"
)

// Codes of errors that are the sidecar's own, in the range that JSON-RPC leaves to servers.
const (
	CodeGone    = -32000 // the tool has ended, cannot be started or is not understood
	CodeTimeout = -32001
	CodeRate    = -32002 // data.retryAfterSeconds says when the next call is possible
	CodeBusy    = stdio.CodeBusy
)

// raw is a result as the server has written it.
type raw struct {
	mcp.ResultBase
	text json.RawMessage
}

// MarshalJSON returns the text.
func (r *raw) MarshalJSON() ([]byte, error) { return r.text, nil }

// clean makes a result of the server's text, without secrets.
func (a *Agent) clean(text json.RawMessage) (mcp.Result, error) {
	clean, ok := a.r.scrub.JSON(text)
	if !ok {
		return nil, &jsonrpc.Error{
			Code: CodeGone, Message: "the tool's answer has a secret in a place where it cannot be taken out",
		}
	}
	return &raw{text: clean}, nil
}

type callRequest = mcp.ServerRequest[*mcp.CallToolParamsRaw]

// call decides on a call, records it, makes it and records what came of it.
func (a *Agent) call(ctx context.Context, req *callRequest) (mcp.Result, error) {
	p := req.Params
	c := sidecar.Call{Tool: p.Name, Session: a.session(req.Session), BytesUp: int64(len(p.Arguments))}
	arguments, err := rules.Parse(p.Arguments)
	if err != nil {
		return nil, a.refuse(c, sidecar.ReasonArguments, jsonrpc.CodeInvalidParams, "arguments: "+err.Error(), nil)
	}
	c.Digest, c.BytesUp = arguments.Digest(), int64(len(arguments.Text))
	if a.r.config.AuditArguments {
		c.Arguments = a.r.scrub.Text(string(arguments.Text)) // no record has a value, wherever the agent has it from
	}
	if no := a.r.rules.Decide(p.Name, arguments); no != nil {
		return nil, a.refuse(c, no.Reason, jsonrpc.CodeInvalidParams, no.Text, nil)
	}
	select {
	case a.open <- struct{}{}:
		defer func() { <-a.open }()
	default:
		text := fmt.Sprintf("%d calls are open; wait for one to end", maxOpen)
		return nil, a.refuse(c, sidecar.ReasonBusy, CodeBusy, text, nil)
	}
	if wait := a.rate.Take(time.Now()); wait > 0 {
		return nil, a.limited(c, wait)
	}
	running, err := a.calls.Begin(c)
	if err != nil {
		return nil, &jsonrpc.Error{
			Code: CodeGone, Message: "the call cannot be recorded, so that it is not made: " + err.Error(),
		}
	}
	result, err := a.make(ctx, req, arguments.Text)
	if err != nil {
		running.End(outcome(err), 0)
		return nil, a.fault(err)
	}
	running.End(verdict(result), len(result))
	return a.clean(result)
}

func (a *Agent) refuse(c sidecar.Call, reason string, code int64, text string, data json.RawMessage) error {
	a.calls.Refuse(c, reason)
	return &jsonrpc.Error{Code: code, Message: text, Data: data}
}

func (a *Agent) limited(c sidecar.Call, wait time.Duration) error {
	seconds := int64(math.Ceil(wait.Seconds()))
	text := fmt.Sprintf("at most %d calls a minute; the next is possible in %d s", a.r.config.CallsPerMinute, seconds)
	data := fmt.Appendf(nil, `{"retryAfterSeconds":%d}`, seconds)
	return a.refuse(c, sidecar.ReasonRate, CodeRate, text, data)
}

// make makes a call and passes on its progress, if the agent wants that.
func (a *Agent) make(ctx context.Context, req *callRequest, arguments json.RawMessage) (json.RawMessage, error) {
	var tell tool.Progress
	if token := req.Params.GetProgressToken(); token != nil {
		p := newProgress(a, req.Session, token)
		go p.tell(ctx)
		defer p.end()
		tell = p.told
	}
	return a.r.server.Call(ctx, req.Params.Name, arguments, tell)
}

// verdict is a result as a sidecar.Call has it: the tool may say itself that it failed.
func verdict(result json.RawMessage) string {
	var said struct {
		IsError bool `json:"isError"`
	}
	if json.Unmarshal(result, &said) == nil && said.IsError {
		return sidecar.ResultToolError
	}
	return sidecar.ResultOK
}

// outcome is an error as a sidecar.Call has it.
func outcome(err error) string {
	var e *tool.Error
	if errors.As(err, &e) {
		return e.Result
	}
	return sidecar.ResultError
}

// fault is an error as the agent gets it.
func (a *Agent) fault(err error) error {
	var said *jsonrpc.Error
	if errors.As(err, &said) {
		e := &jsonrpc.Error{Code: said.Code, Message: a.r.scrub.Text(said.Message)}
		if clean, ok := a.r.scrub.JSON(said.Data); ok && json.Valid(said.Data) {
			e.Data = clean
		}
		return e
	}
	e := &jsonrpc.Error{Code: CodeGone, Message: a.r.scrub.Text(err.Error())}
	if outcome(err) == sidecar.ResultTimeout {
		e.Code = CodeTimeout
	}
	return e
}

// maxProgress are what is told of a call's progress that wait for an agent that does not read.
const maxProgress = 16

// progress is what the server tells of one call.
type progress struct {
	a       *Agent
	session *mcp.ServerSession
	token   any
	queue   chan json.RawMessage
	ended   chan struct{}
	done    chan struct{}
}

func newProgress(a *Agent, s *mcp.ServerSession, token any) *progress {
	return &progress{
		a: a, session: s, token: token, queue: make(chan json.RawMessage, maxProgress),
		ended: make(chan struct{}), done: make(chan struct{}),
	}
}

// told takes one; it does not wait.
func (p *progress) told(params json.RawMessage) {
	select {
	case p.queue <- params:
	default:
	}
}

// tell passes on, in the context of the call, so that it reaches the stream on which the agent waits.
func (p *progress) tell(ctx context.Context) {
	defer close(p.done)
	for {
		select {
		case params := <-p.queue:
			p.pass(ctx, params)
		case <-p.ended:
			for len(p.queue) > 0 {
				p.pass(ctx, <-p.queue)
			}
			return
		}
	}
}

func (p *progress) pass(ctx context.Context, params json.RawMessage) {
	var said mcp.ProgressNotificationParams
	if json.Unmarshal(params, &said) != nil || ctx.Err() != nil {
		return
	}
	_ = p.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ // the agent need not listen
		ProgressToken: p.token, Progress: said.Progress, Total: said.Total, Message: p.a.r.scrub.Text(said.Message),
	})
}

// end returns when all that came before it is passed on: nothing may come behind the result.
func (p *progress) end() {
	close(p.ended)
	<-p.done
}
