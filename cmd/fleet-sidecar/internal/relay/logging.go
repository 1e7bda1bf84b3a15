//nolint:staticcheck // deprecated for later versions of the protocol than those that begin with initialize
package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// levels of the protocol's log, which are those of syslog.
var levels = []mcp.LoggingLevel{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// capabilities are what an agent is offered.
func capabilities(listChanged, logging bool) *mcp.ServerCapabilities {
	c := &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: listChanged}}
	if logging {
		c.Logging = new(mcp.LoggingCapabilities)
	}
	return c
}

// logged is a message of the server's log, nil where it is not passed on.
func (r *Relay) logged(params json.RawMessage) notification {
	if r.config.Shared() {
		return nil
	}
	clean, ok := r.scrub.JSON(params)
	var message struct {
		Level  mcp.LoggingLevel `json:"level"`
		Logger string           `json:"logger"`
		Data   json.RawMessage  `json:"data"`
	}
	if !ok || json.Unmarshal(clean, &message) != nil || !slices.Contains(levels, message.Level) {
		return nil
	}
	return func(ctx context.Context, _ *Agent, s *mcp.ServerSession) error {
		return s.Log(ctx, &mcp.LoggingMessageParams{Level: message.Level, Logger: message.Logger, Data: message.Data})
	}
}

// setLevel keeps the level for this session, and has the server say as much.
func (a *Agent) setLevel(ctx context.Context, req mcp.Request, next mcp.MethodHandler) (mcp.Result, error) {
	level := req.(*mcp.ServerRequest[*mcp.SetLoggingLevelParams]).Params.Level
	switch {
	case a.r.config.Shared():
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "the log of a shared tool is not offered"}
	case !slices.Contains(levels, level):
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("%.32q is no level", level)}
	}
	if err := a.r.server.SetLevel(ctx, string(level)); err != nil {
		return nil, a.fault(err)
	}
	return next(ctx, "logging/setLevel", req)
}
