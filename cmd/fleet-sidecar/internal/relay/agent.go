package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet-sidecar/internal/calls"
	"fleet/cmd/fleet-sidecar/internal/tool"
	"fleet/cmd/internal/rate"
	"fleet/schemas/sidecar"
)

const (
	// maxOpen calls of an agent are open at a time; further ones are refused.
	maxOpen = 32

	// maxTold notifications wait for a session that does not read; further ones are not told.
	maxTold = 64

	// tellTime is how long a session may take to read one.
	tellTime = 10 * time.Second
)

// Agent is the side of one agent.
type Agent struct {
	r      *Relay
	of     sidecar.Agent
	server *mcp.Server
	send   mcp.MethodHandler // sends a notification to a session
	calls  *calls.Agent
	rate   *rate.Limit
	open   chan struct{} // one element for each open call

	mu       sync.Mutex
	sessions map[*mcp.ServerSession]*session
	number   int64
}

// session is one that has begun.
type session struct {
	number int64
	told   chan notification
}

func newAgent(r *Relay, of sidecar.Agent, c *calls.Agent) *Agent {
	a := &Agent{
		r: r, of: of, calls: c, rate: rate.New(r.config.CallsPerMinute), open: make(chan struct{}, maxOpen),
		sessions: map[*mcp.ServerSession]*session{},
	}
	a.server = mcp.NewServer(&mcp.Implementation{Name: r.config.Name, Version: "1"}, &mcp.ServerOptions{
		Capabilities:              capabilities(true, true),
		SupportedProtocolVersions: tool.Versions,
	})
	a.server.AddSendingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		a.send = next
		return next
	})
	a.server.AddReceivingMiddleware(a.receive)
	return a
}

// Server is the agent's MCP server.
func (a *Agent) Server() *mcp.Server { return a.server }

// receive takes every request and notification of the agent.
func (a *Agent) receive(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
		defer func() {
			if fault := recover(); fault != nil {
				a.r.log.WithField("method", method).Errorf("fault: %v\n%s", fault, debug.Stack())
				res, err = nil, &jsonrpc.Error{
					Code: jsonrpc.CodeInternalError, Message: "the sidecar has a fault; see its log",
				}
			}
		}()
		switch method {
		case "initialize":
			return a.initialize(ctx, req, next)
		case "tools/list":
			return a.list(ctx, req.(*mcp.ServerRequest[*mcp.ListToolsParams]))
		case "tools/call":
			return a.call(ctx, req.(*callRequest))
		case "logging/setLevel":
			return a.setLevel(ctx, req, next)
		case "ping", "notifications/initialized", "notifications/cancelled":
			return next(ctx, method, req)
		}
		if strings.HasPrefix(method, "notifications/") {
			return nil, nil
		}
		return nil, &jsonrpc.Error{
			Code: jsonrpc.CodeMethodNotFound, Message: fmt.Sprintf("%.64q is not offered: a sidecar has tools only", method),
		}
	}
}

// initialize begins a session. It has what the server offers, less what a sidecar does not pass on.
func (a *Agent) initialize(ctx context.Context, req mcp.Request, next mcp.MethodHandler) (mcp.Result, error) {
	info, err := a.r.server.Info(ctx)
	if err != nil {
		return nil, a.fault(err)
	}
	res, err := next(ctx, "initialize", req)
	if err != nil {
		return nil, err
	}
	said := res.(*mcp.InitializeResult)
	said.Instructions = a.r.scrub.Text(info.Instructions)
	said.Capabilities = capabilities(info.ListChanged, info.Logging && !a.r.config.Shared())
	if implementation := new(mcp.Implementation); json.Unmarshal(info.ServerInfo, implementation) == nil {
		said.ServerInfo = &mcp.Implementation{
			Name:    a.r.scrub.Text(implementation.Name),
			Title:   a.r.scrub.Text(implementation.Title),
			Version: a.r.scrub.Text(implementation.Version),
		}
	}
	a.begin(req.GetSession().(*mcp.ServerSession))
	return said, nil
}

// begin notes a session until its end.
func (a *Agent) begin(ss *mcp.ServerSession) {
	a.mu.Lock()
	a.number++
	s := &session{number: a.number, told: make(chan notification, maxTold)}
	a.sessions[ss] = s
	a.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		_ = ss.Wait() // however it ends
		a.mu.Lock()
		delete(a.sessions, ss)
		a.mu.Unlock()
		close(ended)
	}()
	go a.teller(ss, s, ended)
}

// teller tells a session what belongs to no call of it.
func (a *Agent) teller(ss *mcp.ServerSession, s *session, ended <-chan struct{}) {
	for {
		select {
		case n := <-s.told:
			ctx, stop := context.WithTimeout(context.Background(), tellTime)
			_ = n(ctx, a, ss) // a session need not listen
			stop()
		case <-ended:
			return
		}
	}
}

// tell has all sessions of the agent told.
func (a *Agent) tell(n notification) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		select {
		case s.told <- n:
		default:
		}
	}
}

func (a *Agent) session(ss *mcp.ServerSession) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sessions[ss]; s != nil {
		return s.number
	}
	return 0
}

func (a *Agent) close() {
	for ss := range a.server.Sessions() {
		go ss.Close() //nolint:errcheck // it waits for what is open
	}
	a.calls.Close()
}

func (a *Agent) list(ctx context.Context, req *mcp.ServerRequest[*mcp.ListToolsParams]) (mcp.Result, error) {
	cursor := ""
	if req.Params != nil {
		cursor = req.Params.Cursor
	}
	page, err := a.r.list(ctx, cursor)
	if err != nil {
		return nil, a.fault(err)
	}
	return a.clean(page)
}
