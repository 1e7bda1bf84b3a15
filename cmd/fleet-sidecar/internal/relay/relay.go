// Package relay offers the tool of a sidecar to its agents over MCP. An agent gets tools and nothing else of the server:
// no resources, no prompts, and the server can ask nothing of it. What passes is decided, recorded and cleared of secrets.
package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-sidecar/internal/calls"
	"fleet/cmd/fleet-sidecar/internal/rules"
	"fleet/cmd/fleet-sidecar/internal/scrub"
	"fleet/cmd/fleet-sidecar/internal/tool"
	"fleet/schemas/sidecar"
)

// Server is what a relay needs of a tool.Tool.
type Server interface {
	Info(ctx context.Context) (tool.Info, error)
	List(ctx context.Context, cursor string) (json.RawMessage, error)
	Call(ctx context.Context, name string, arguments json.RawMessage, progress tool.Progress) (json.RawMessage, error)
	SetLevel(ctx context.Context, level string) error
}

// Relay stands between agents and a server.
type Relay struct {
	config *sidecar.Config
	rules  *rules.Rules
	scrub  *scrub.Scrubber
	log    *logrus.Logger
	server Server
	agents map[string]*Agent
}

// New makes a relay to a server, which is set by Serve.
func New(c *sidecar.Config, s *scrub.Scrubber, l *calls.Log, log *logrus.Logger) (*Relay, error) {
	rs, err := rules.New(c)
	if err != nil {
		return nil, err
	}
	r := &Relay{config: c, rules: rs, scrub: s, log: log, agents: map[string]*Agent{}}
	for _, a := range c.Agents {
		r.agents[a.Key] = newAgent(r, a, l.Agent(a))
	}
	return r, nil
}

// Serve sets the server, before any agent is served.
func (r *Relay) Serve(s Server) { r.server = s }

// Agent returns the side of one agent.
func (r *Relay) Agent(key string) *Agent { return r.agents[key] }

// Running is how many calls are open.
func (r *Relay) Running() int {
	n := 0
	for _, a := range r.agents {
		n += len(a.open)
	}
	return n
}

// Close ends all sessions.
func (r *Relay) Close() {
	for _, a := range r.agents {
		a.close()
	}
}

// Notified passes on what the server says to nobody in particular. What it logs may come from the call of any agent, so
// that it goes on only where there is one.
func (r *Relay) Notified(method string, params json.RawMessage) {
	var n notification
	switch method {
	case "notifications/tools/list_changed":
		n = listChanged
	case "notifications/message":
		if n = r.logged(params); n == nil {
			return
		}
	default:
		return
	}
	for _, a := range r.agents {
		a.tell(n)
	}
}

// notification is told to a session.
type notification func(ctx context.Context, a *Agent, s *mcp.ServerSession) error

func listChanged(ctx context.Context, a *Agent, s *mcp.ServerSession) error {
	_, err := a.send(ctx, "notifications/tools/list_changed", &mcp.ServerRequest[*mcp.ToolListChangedParams]{
		Session: s, Params: new(mcp.ToolListChangedParams),
	})
	return err
}

// list returns a page of the server's list with what is offered. Entries are passed on as they are.
func (r *Relay) list(ctx context.Context, cursor string) (json.RawMessage, error) {
	page, err := r.server.List(ctx, cursor)
	if err != nil {
		return nil, err
	}
	var said map[string]json.RawMessage
	var all []json.RawMessage
	if err := json.Unmarshal(page, &said); err != nil {
		return nil, fmt.Errorf("the tool's list cannot be read: %w", err)
	}
	if err := json.Unmarshal(said["tools"], &all); err != nil {
		return nil, fmt.Errorf("the tool's list cannot be read: %w", err)
	}
	offered := []json.RawMessage{}
	for _, entry := range all {
		var named map[string]json.RawMessage // by its exact key, as the agent's side has it
		var name string
		if json.Unmarshal(entry, &named) == nil && json.Unmarshal(named["name"], &name) == nil && r.rules.Offers(name) {
			offered = append(offered, entry)
		}
	}
	out := map[string]json.RawMessage{}
	maps.Copy(out, said)
	delete(out, "_meta")
	if out["tools"], err = json.Marshal(offered); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}
