package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Versions of the protocol that begin with initialize, newest first. Later ones are for servers without sessions.
var Versions = slices.DeleteFunc(mcp.SupportedProtocolVersions(), func(v string) bool { return v > newest })

const newest = "2025-11-25"

// connect starts the server and makes its acquaintance.
func (t *Tool) connect(ctx context.Context) (*link, error) {
	var l *link
	var settled func(version string)
	if t.o.Config.Tool.URL != "" {
		conn, headers, err := dial(ctx, &t.o)
		if err != nil {
			return nil, gone("cannot be reached: %v", err)
		}
		settled = headers.settle
		l = newLink(conn, func(bool) {}, &t.o)
	} else {
		p, err := spawn(&t.o)
		if err != nil {
			return nil, gone("cannot be started: %v", err)
		}
		settled = func(string) {}
		l = newLink(newPipes(p, &t.o), p.end, &t.o)
	}
	err := l.initialize(ctx, settled)
	if t.o.Config.Tool.URL != "" {
		l.info.ListChanged = false // it is told on a stream that is not asked for
	}
	if err != nil {
		switch {
		case t.life.Err() != nil:
			err = gone("ends with its sidecar")
		case ctx.Err() != nil:
			err = gone("was not ready within %s", t.o.Ready)
		}
		l.kill(err)
		return nil, err
	}
	return l, nil
}

func (l *link) initialize(ctx context.Context, settled func(version string)) error {
	answer, err := l.ask(ctx, question{"initialize", func(int64) any {
		return map[string]any{
			"protocolVersion": newest,
			"capabilities":    struct{}{},
			"clientInfo":      map[string]string{"name": "fleet-sidecar", "version": "1"},
		}
	}, nil})
	if err != nil {
		return unready(err)
	}
	var said struct {
		Version      string          `json:"protocolVersion"`
		Instructions string          `json:"instructions"`
		ServerInfo   json.RawMessage `json:"serverInfo"`
		Capabilities struct {
			Logging *struct{} `json:"logging"`
			Tools   struct {
				ListChanged bool `json:"listChanged"`
			} `json:"tools"`
		} `json:"capabilities"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return gone("has answered initialize with what cannot be read: %v", err)
	}
	if !slices.Contains(Versions, said.Version) {
		return gone("speaks version %q of the protocol; a sidecar speaks %v", said.Version, Versions)
	}
	settled(said.Version)
	l.info = Info{
		Instructions: said.Instructions, ServerInfo: said.ServerInfo,
		Logging: said.Capabilities.Logging != nil, ListChanged: said.Capabilities.Tools.ListChanged,
	}
	l.notify("notifications/initialized", struct{}{})
	return nil
}

// unready is why a server did not come to its initialize.
func unready(err error) error {
	var ended *Error
	var answered *jsonrpc.Error
	switch {
	case errors.As(err, &ended):
		return &Error{Result: ended.Result, text: ended.text + ", before it was ready"}
	case errors.As(err, &answered):
		return gone("has refused initialize: %v", err)
	}
	return fmt.Errorf("initialize: %w", err)
}
