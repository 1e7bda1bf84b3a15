package discordstub

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Intents, as Discord numbers them.
const (
	intentGuilds    = 1 << 0
	intentMessages  = 1 << 9
	intentReactions = 1 << 10
	intentDirect    = 1 << 12
	intentContent   = 1 << 15
	intentsAll      = 1<<17 - 1 | 1<<20 | 1<<21 | 1<<24 | 1<<25
)

// gateway is how it behaves.
type gateway struct {
	deaf    bool     // heartbeats are not answered
	hasty   bool     // connections are asked to connect again before the session stands
	mute    bool     // connections get no HELLO
	twice   bool     // each event is sent twice
	swap    bool     // each two events are sent the wrong way round
	hold    bool     // events are kept for a session that goes on later
	reject  int      // connections that want to go on are closed with this
	swapped []func() // the first of two
}

// session is one, on this connection or a later one.
type session struct {
	id      string
	user    *User
	intents int
	events  []event
	conn    *conn
	s       *Server
}

type event struct {
	Op   int    `json:"op"`
	Seq  int    `json:"s"`
	Type string `json:"t"`
	Data any    `json:"d"`
}

// conn is one connection. What is sent waits in a queue, so that nobody who reads slowly holds the server up.
type conn struct {
	*websocket.Conn

	mu       sync.Mutex
	compress bool
	anew     bool // it was told that its session is over, and may still count on from there
	queue    []frame
	wake     chan struct{}
}

// frame is what is sent; the last one closes the connection.
type frame struct {
	kind int
	data []byte
}

func (c *conn) push(f frame) {
	c.mu.Lock()
	c.queue = append(c.queue, f)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send writes what is in the queue until the connection is closed.
func (c *conn) send(done <-chan struct{}) {
	defer c.Close()
	for last := false; ; {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, f := range queue {
			if err := c.WriteMessage(f.kind, f.data); err != nil || f.kind == websocket.CloseMessage {
				return
			}
		}
		if last {
			return
		}
		select {
		case <-c.wake:
		case <-done:
			last = true
		}
	}
}

func (c *conn) write(v any) {
	b, _ := json.Marshal(v)
	c.mu.Lock()
	compress := c.compress
	c.mu.Unlock()
	if !compress {
		c.push(frame{websocket.TextMessage, b})
		return
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(b) // to memory
	_ = w.Close()
	c.push(frame{websocket.BinaryMessage, z.Bytes()})
}

func (c *conn) end(code int, text string) {
	c.push(frame{websocket.CloseMessage, websocket.FormatCloseMessage(code, text)})
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); q.Get("encoding") != "json" || q.Get("v") != "9" && q.Get("v") != "10" {
		s.mu.Lock()
		s.breach("gateway: %s", r.URL.RawQuery)
		s.mu.Unlock()
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &conn{Conn: ws, wake: make(chan struct{}, 1)}
	ws.SetCloseHandler(func(int, string) error { return nil })
	done := make(chan struct{})
	defer close(done)
	go c.send(done)
	s.mu.Lock()
	mute, hasty := s.mute, s.hasty
	s.conns[c] = true
	s.mu.Unlock()
	defer s.change(func() { delete(s.conns, c) })
	if !mute {
		interval := map[string]any{"heartbeat_interval": s.Heartbeat.Milliseconds()}
		c.write(map[string]any{"op": 10, "d": interval, "s": nil, "t": nil})
	}
	if hasty {
		c.write(map[string]any{"op": 7, "d": nil, "s": nil, "t": nil})
	}
	s.listen(c)
}

// packet is what a client sends.
type packet struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
}

func (s *Server) listen(c *conn) {
	var on *session
	sent, since := 0, time.Now()
	beat := time.AfterFunc(s.Heartbeat+s.Late, func() {
		s.change(func() { s.breach("gateway: no heartbeat for %s", s.Heartbeat+s.Late) })
		c.end(4000, "")
	})
	defer beat.Stop()
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			break
		}
		if time.Since(since) > time.Minute {
			sent, since = 0, time.Now()
		}
		var p packet
		if sent++; json.Unmarshal(b, &p) != nil || sent > 120 {
			s.mu.Lock()
			s.breach("gateway: %d packets, %q", sent, b)
			s.mu.Unlock()
			c.end(4008, "You are being rate limited.")
			return
		}
		if p.Op == 1 {
			beat.Reset(s.Heartbeat + s.Late)
		}
		var again bool
		if on, again = s.packet(c, on, p); !again {
			return
		}
	}
	s.mu.Lock()
	deaf := s.deaf
	if on != nil && on.conn == c {
		on.conn = nil
	}
	s.mu.Unlock()
	if deaf {
		_, _ = io.Copy(io.Discard, c.NetConn()) // who is deaf hears no good-bye
	}
}

func (s *Server) packet(c *conn, on *session, p packet) (*session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p.Op {
	case 1:
		s.beat(c, on, p)
		return on, true
	case 2:
		if on != nil && s.sessions[on.id] == on {
			s.breach("gateway: identified twice")
			c.end(4005, "Already authenticated.")
			return nil, false
		}
		return s.identify(c, p)
	case 6:
		return s.resume(c, p)
	}
	s.breach("gateway: op %d", p.Op)
	c.end(4001, "Unknown opcode.")
	return nil, false
}

func (s *Server) beat(c *conn, on *session, p packet) {
	var seq int
	if json.Unmarshal(p.Data, &seq) == nil && on != nil && seq > len(on.events) && !c.anew {
		s.breach("gateway: heartbeat with sequence %d of %d", seq, len(on.events))
	}
	s.beats++
	if !s.deaf {
		c.write(map[string]any{"op": 11, "d": nil, "s": nil, "t": nil})
	}
}

func (s *Server) identify(c *conn, p packet) (*session, bool) {
	var in struct {
		Token      string `json:"token"`
		Intents    int    `json:"intents"`
		Compress   bool   `json:"compress"`
		Properties struct {
			OS     string `json:"os"`
			Former string `json:"$os"` // deprecated
		} `json:"properties"`
	}
	_ = json.Unmarshal(p.Data, &in) // what cannot be read is not there
	s.identifies++
	user := s.tokens[cutBot(in.Token)]
	switch {
	case user == nil:
		c.end(4004, "Authentication failed.")
		return nil, false
	case in.Intents&^intentsAll != 0 || in.Properties.OS+in.Properties.Former == "":
		s.breach("gateway: intents %d, properties %v", in.Intents, in.Properties)
		c.end(4013, "Invalid intent(s).")
		return nil, false
	case in.Intents&intentContent != 0 && !user.Content:
		c.end(4014, "Disallowed intent(s).")
		return nil, false
	}
	if last := s.logins[user.ID]; time.Since(last) < s.Login {
		s.breach("gateway: a login %s after the last one", time.Since(last))
		c.write(map[string]any{"op": 9, "d": false, "s": nil, "t": nil})
		return nil, true
	}
	s.logins[user.ID] = time.Now()
	on := &session{id: "s" + s.id(), user: user, intents: in.Intents, conn: c, s: s}
	s.sessions[on.id] = on
	c.mu.Lock()
	c.compress = in.Compress
	c.mu.Unlock()
	on.send("READY", map[string]any{
		"v": 9, "user": user.view(), "session_id": on.id, "resume_gateway_url": "wss://invalid",
		"guilds": []any{map[string]any{"id": s.Guild, "unavailable": true}},
	})
	if in.Intents&intentGuilds != 0 {
		g := s.guildView(user)
		g["threads"], g["channels"] = s.threads(user, "", false), []any{}
		on.send("GUILD_CREATE", g)
	}
	return on, true
}

// cutBot takes the prefix of a bot's token away, which the gateway takes with and without.
func cutBot(token string) string {
	if len(token) > 4 && token[:4] == "Bot " {
		return token[4:]
	}
	return token
}

func (s *Server) resume(c *conn, p packet) (*session, bool) {
	var in struct {
		Token   string `json:"token"`
		Session string `json:"session_id"`
		Seq     int    `json:"seq"`
	}
	_ = json.Unmarshal(p.Data, &in) // what cannot be read is not there
	on := s.sessions[in.Session]
	if s.tokens[cutBot(in.Token)] == nil {
		c.end(4004, "Authentication failed.")
		return nil, false
	}
	if s.reject != 0 {
		c.end(s.reject, "")
		return nil, false
	}
	if on != nil && on.user != s.tokens[cutBot(in.Token)] {
		s.breach("gateway: resumed the session of another bot")
		on = nil
	}
	if c.anew = on == nil; c.anew {
		c.write(map[string]any{"op": 9, "d": false, "s": nil, "t": nil})
		return nil, true
	}
	if in.Seq > len(on.events) {
		s.breach("gateway: resumed at %d of %d", in.Seq, len(on.events))
		c.end(4007, "Invalid sequence.")
		return nil, false
	}
	s.resumes++
	on.conn = c
	for _, e := range on.events[in.Seq:] {
		c.write(e)
	}
	on.send("RESUMED", map[string]any{})
	return on, true
}

// send sends an event to a session, or keeps it for when it goes on.
func (on *session) send(kind string, data any) {
	e := event{Seq: len(on.events) + 1, Type: kind, Data: data}
	on.events = append(on.events, e)
	if on.conn != nil && !on.s.hold {
		on.conn.write(e)
	}
}
