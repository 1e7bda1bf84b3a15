package slackstub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Socket is how socket mode fails.
type Socket struct {
	NoHello   int                             // so many connections never say hello
	NoPings   bool                            // connections go silent
	Refuse    int                             // so many connections end at once, before hello
	Event     func(event map[string]any) Fate // what becomes of an event; nil is that it is sent
	Unhandled bool                            // acknowledgements are lost
}

// Fate is what becomes of an event.
type Fate int

// Fates.
const (
	Sent    Fate = iota
	Twice        // it is sent two times
	Held         // it is sent after the next one
	Lost         // it is never sent
	Foreign      // another connection of the app gets it, that of another host
	Garbled      // it is sent in a form that nobody knows
)

const (
	pingEvery = 10 * time.Second
	ackTime   = 3 * time.Second
)

// retries is when Slack sends an event again that is not acknowledged.
var retries = []time.Duration{0, time.Minute, 5 * time.Minute}

// conn is a connection in socket mode.
type conn struct {
	ws *websocket.Conn
	mu sync.Mutex
}

func (c *conn) write(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return c.ws.WriteJSON(v)
}

// Fail sets how socket mode fails from now on.
func (s *Server) Fail(how Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = how
}

// Connections is how many an app has.
func (s *Server) Connections(a *App) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(a.conns)
}

// Disconnect tells all connections to go, as Slack does, for a reason: warning, refresh_requested or link_disabled.
func (s *Server) Disconnect(reason string) {
	for _, c := range s.all() {
		_ = c.write(map[string]any{
			"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "applink-1"},
		})
	}
}

// Drop ends all connections without a word.
func (s *Server) Drop() {
	for _, c := range s.all() {
		_ = c.ws.NetConn().Close()
	}
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*conn
	for _, a := range s.apps {
		all = append(all, a.conns...)
	}
	return all
}

// link takes a connection.
func (s *Server) link(out http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	app := s.tickets[ticket]
	delete(s.tickets, ticket) // it is good for one
	how := s.socket
	s.socket.NoHello = max(0, how.NoHello-1)
	s.socket.Refuse = max(0, how.Refuse-1)
	s.mu.Unlock()
	if app == nil {
		http.Error(out, "no such ticket", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(out, r, nil)
	if err != nil {
		return
	}
	c := &conn{ws: ws}
	defer ws.Close()
	if how.Refuse > 0 {
		_ = c.write(map[string]any{"type": "disconnect", "reason": "too_many_websockets"})
		return
	}
	s.serve(app, c, how.NoHello > 0)
}

func (s *Server) serve(app *App, c *conn, silent bool) {
	s.mu.Lock()
	app.conns = append(app.conns, c)
	n := len(app.conns)
	s.mu.Unlock()
	gone := make(chan struct{})
	defer func() {
		close(gone)
		s.mu.Lock()
		app.conns = slices.DeleteFunc(app.conns, func(o *conn) bool { return o == c })
		s.mu.Unlock()
	}()
	if !silent {
		_ = c.write(map[string]any{
			"type": "hello", "num_connections": n, "connection_info": map[string]any{"app_id": app.ID},
			"debug_info": map[string]any{"host": "applink-1", "approximate_connection_time": 18060},
		})
	}
	s.running.Go(func() { s.ping(c, gone) })
	for {
		var ack struct {
			Envelope string `json:"envelope_id"`
		}
		if c.ws.ReadJSON(&ack) != nil {
			return
		}
		s.mu.Lock()
		if done := s.envelope[ack.Envelope]; done == nil {
			s.fault("acknowledged %q, which is no envelope", ack.Envelope)
		} else if !s.socket.Unhandled {
			select {
			case <-done:
			default:
				close(done)
			}
		}
		s.mu.Unlock()
	}
}

func (s *Server) ping(c *conn, gone chan struct{}) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		s.mu.Lock()
		silent := s.socket.NoPings
		s.mu.Unlock()
		if !silent {
			_ = c.ws.WriteControl(websocket.PingMessage, []byte("Ping from applink"), time.Now().Add(5*time.Second))
		}
		select {
		case <-tick.C:
		case <-gone:
			return
		case <-s.ending:
			return
		}
	}
}

// tell sends an event to all apps that may see it. The lock is held.
func (s *Server) tell(c *Channel, event map[string]any) {
	for _, app := range s.apps {
		if !c.has(app.User) || app.AppToken == "" {
			continue
		}
		fate := Sent
		if s.socket.Event != nil {
			fate = s.socket.Event(event)
		}
		send := func() { s.running.Go(func() { s.deliver(app, event, fate == Garbled) }) }
		held := s.held[app]
		s.held[app] = nil
		switch fate {
		case Lost, Foreign:
		case Held:
			s.held[app] = append(held, send)
			continue
		case Twice:
			send()
			send()
		default:
			send()
		}
		for _, later := range held {
			later()
		}
	}
}

// deliver sends an event until it is acknowledged, as often as Slack tries.
func (s *Server) deliver(app *App, event map[string]any, garbled bool) {
	s.mu.Lock()
	s.next++
	id := fmt.Sprintf("envelope-%d", s.next)
	done := make(chan struct{})
	s.envelope[id] = done
	n := s.next
	s.mu.Unlock()
	inner := any(event)
	if garbled {
		inner = map[string]any{"type": "of_the_future", "text": 1}
	}
	payload, _ := json.Marshal(map[string]any{
		"token": "verification", "team_id": Team, "api_app_id": app.ID, "event": inner, "type": "event_callback",
		"event_id": fmt.Sprintf("Ev%d", n), "event_time": time.Now().Unix(),
	})
	for attempt := 0; attempt <= len(retries); attempt++ {
		if attempt > 0 && !s.wait(done, retries[attempt-1]) {
			return
		}
		s.mu.Lock()
		var to *conn
		if len(app.conns) > 0 {
			to = app.conns[(n+attempt)%len(app.conns)]
		}
		s.mu.Unlock()
		envelope := map[string]any{
			"type": "events_api", "envelope_id": id, "payload": json.RawMessage(payload),
			"accepts_response_payload": false,
			"retry_attempt":            attempt, "retry_reason": "",
		}
		if attempt > 0 {
			envelope["retry_reason"] = "timeout"
		}
		if to != nil {
			_ = to.write(envelope)
		}
		if !s.wait(done, ackTime) {
			return
		}
	}
}

// wait reports whether something is still open after a time.
func (s *Server) wait(done chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return false
	case <-s.ending:
		return false
	case <-t.C:
		return true
	}
}
