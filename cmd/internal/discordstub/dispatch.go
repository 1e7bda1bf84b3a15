package discordstub

// dispatch tells an event to all that may know, in the order of their sessions' needs: m is a message, else data is
// told.
func (s *Server) dispatch(kind string, data map[string]any, c *Channel, m *Message) {
	for _, on := range s.sessions {
		if s.may(on.user, c)&ViewChannel == 0 && kind != "CHANNEL_DELETE" || on.intents&intentOf(kind, c) == 0 {
			continue
		}
		data := data
		if m != nil {
			data = s.told(m, c, on)
		}
		s.out(on, kind, data)
	}
}

func intentOf(kind string, c *Channel) int {
	switch {
	case kind == "MESSAGE_CREATE" && c.Guild == "":
		return intentDirect
	case kind == "MESSAGE_CREATE":
		return intentMessages
	case kind == "MESSAGE_REACTION_ADD", kind == "MESSAGE_REACTION_REMOVE":
		return intentReactions
	}
	return intentGuilds
}

// told is a message as an event has it.
func (s *Server) told(m *Message, c *Channel, on *session) map[string]any {
	v := m.view(s, on.user, on.user == m.Author)
	if c.Guild != "" {
		v["guild_id"], v["member"] = c.Guild, map[string]any{"nick": nil}
		if on.intents&intentContent == 0 && m.Author != on.user {
			v["content"] = ""
		}
	}
	return v
}

// out sends an event in the way that the gateway behaves.
func (s *Server) out(on *session, kind string, data any) {
	if s.swap {
		s.swapped = append(s.swapped, func() { on.send(kind, data) })
		if len(s.swapped) == 2 {
			s.swapped[1]()
			s.swapped[0]()
			s.swapped = nil
		}
		return
	}
	on.send(kind, data)
	if s.twice {
		on.send(kind, data)
	}
}

func (s *Server) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// Deaf makes heartbeats go without an answer, or ends that.
func (s *Server) Deaf(on bool) { s.change(func() { s.deaf = on }) }

// Mute makes new connections hear nothing, or ends that.
func (s *Server) Mute(on bool) { s.change(func() { s.mute = on }) }

// Twice makes each event come twice, or ends that.
func (s *Server) Twice(on bool) { s.change(func() { s.twice = on }) }

// Swap makes each two events come the wrong way round, or ends that.
func (s *Server) Swap(on bool) {
	s.change(func() {
		s.swap = on
		for _, send := range s.swapped {
			send()
		}
		s.swapped = nil
	})
}

// Hasty makes new connections be asked to connect again before their session stands, op 7, or ends that.
func (s *Server) Hasty(on bool) { s.change(func() { s.hasty = on }) }

// Outage makes all connections end without a word, or ends that. Sessions are kept.
func (s *Server) Outage(on bool) {
	s.change(func() { s.outage = on })
	if on {
		s.cut()
		s.http.CloseClientConnections()
	}
}

// cut ends all connections to the gateway without a word.
func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	for _, on := range s.sessions {
		on.conn = nil
	}
}

// Reject makes the server close connections that want to go on with a session, with a code; 0 ends that.
func (s *Server) Reject(code int) { s.change(func() { s.reject = code }) }

// Hold keeps events back until a session goes on, as if the connection were broken without a word, or ends that.
func (s *Server) Hold(on bool) { s.change(func() { s.hold = on }) }

// Drop closes all connections with a code; 0 is without a word. The sessions can go on.
func (s *Server) Drop(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, on := range s.sessions {
		if on.conn == nil {
			continue
		}
		if code == 0 {
			on.conn.Close()
		} else {
			on.conn.end(code, "")
		}
		on.conn = nil
	}
}

// Reconnect asks all clients to connect again, op 7.
func (s *Server) Reconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, on := range s.sessions {
		if on.conn != nil {
			on.conn.write(map[string]any{"op": 7, "d": nil, "s": nil, "t": nil})
		}
	}
}

// Forget forgets all sessions and closes their connections: who wants to go on gets INVALID_SESSION.
func (s *Server) Forget() {
	s.Drop(4000)
	s.change(func() { clear(s.sessions) })
}

// Invalidate tells all clients that their session is over, op 9, on the connection that they have.
func (s *Server) Invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, on := range s.sessions {
		if on.conn != nil {
			on.conn.anew = true
			on.conn.write(map[string]any{"op": 9, "d": false, "s": nil, "t": nil})
		}
	}
	clear(s.sessions)
	clear(s.logins) // each is asked to log in again
}

// Logins returns how often clients identified, and how often they went on with a session.
func (s *Server) Logins() (identified, resumed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identifies, s.resumes
}

// Beats returns how many heartbeats came.
func (s *Server) Beats() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beats
}

// Connected returns how many sessions have a connection.
func (s *Server) Connected() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, on := range s.sessions {
		if on.conn != nil {
			n++
		}
	}
	return n
}
