package policy

// walk goes from the most specific rules for a host to the least.
type walk struct {
	m       *Matcher
	h       Host
	kind    Kind
	port    uint16
	method  string
	path    string // canonical as soon as a rule looks at it
	request bool   // method and path are there
	checked bool   // path is canonical
	inspect bool
	private bool
	held    Held
}

func (w *walk) decide() Decision {
	reason := ReasonHost
	if w.h.Name == "" {
		reason = ReasonAddress
	}
	if w.m.keys != nil && !w.secrets() {
		return Decision{Reason: ReasonBadPath}
	}
	for s := w.m.steps(w.h); s.next(); {
		if s.node.denied != nil {
			return Decision{Reason: ReasonDenied, Rule: s.node.denied.name}
		}
		g := s.node.group(w.port)
		if g == nil {
			reason = ReasonPort
			continue
		}
		if d, ok := w.step(g, s.child); ok {
			return d
		}
	}
	return Decision{Reason: reason}
}

// secrets finds those for the host and port, which have requests there looked at, and reports whether the path of this
// one has the one reading that they need.
func (w *walk) secrets() bool {
	w.held = w.m.keys.held(w.h, w.port)
	w.inspect = w.held.here != marks{}
	return w.kind != KindHTTPS || !w.held.looksAtPaths() || w.canonical()
}

// step decides by the rules for one host and port, and reports whether they do.
func (w *walk) step(g *group, child int) (Decision, bool) {
	if g.denied != nil {
		return Decision{Reason: ReasonDenied, Rule: g.denied.name}, true
	}
	w.inspect = w.inspect || g.inspect
	if w.request && (g.deny.paths() || g.allow.paths()) && !w.canonical() {
		return Decision{Reason: ReasonBadPath}, true
	}
	if w.request {
		if r, _ := g.deny.match(w.method, w.path); r != nil {
			return Decision{Reason: ReasonDenied, Rule: r.name}, true
		}
	}
	if g.allow == nil {
		return Decision{}, false
	}
	return w.allow(g, child), true
}

func (w *walk) canonical() bool {
	if !w.checked {
		path, err := ParsePath(w.path)
		if err != nil {
			return false
		}
		w.path, w.checked = path, true
	}
	return true
}

func (w *walk) allow(g *group, child int) Decision {
	if child > MaxChild {
		return Decision{Reason: ReasonLongName, Rule: g.first.name}
	}
	w.private = g.private
	d := Decision{Protocol: g.protocol}
	switch {
	case w.inspect && g.protocol == Raw:
		return Decision{Reason: ReasonUnreadable, Rule: g.first.name}
	case !fits(w.kind, g.protocol):
		d.Reason, d.Rule = ReasonProtocol, g.first.name
		return d
	}
	r := g.first
	if w.request {
		var seen bool
		if r, seen = g.allow.match(w.method, w.path); r == nil {
			d.Reason = ReasonPath
			if seen {
				d.Reason = ReasonMethod
			}
			return d
		}
	}
	d.Allow, d.Reason, d.Rule, d.Pattern = true, ReasonAllowed, r.name, r.host
	if w.request || !w.inspect && g.protocol != HTTP {
		d.Limits, d.Budget = r.limits, r.budget
	}
	return d
}

// fits tells whether a rule's protocol lets a kind of request pass.
func fits(k Kind, protocol string) bool {
	switch k {
	case KindTLS:
		return protocol != HTTP
	case KindHTTP:
		return protocol != TLS
	case KindHTTPS:
		return protocol == TLS
	}
	return true
}

// lookup decides on a DNS question: a name is answered where a connection to at least one of its ports is allowed.
func (m *Matcher) lookup(h Host) Decision {
	if h.Name == "" {
		return Decision{Reason: ReasonBadHost} // nobody has to ask for the address of an address
	}
	d := Decision{Reason: ReasonHost}
	for s := m.steps(h); s.next(); {
		if s.node.denied != nil {
			return Decision{Reason: ReasonDenied, Rule: s.node.denied.name}
		}
		for i := range s.node.groups {
			g := &s.node.groups[i]
			if g.allow == nil {
				continue
			}
			w := walk{m: m, h: h, kind: KindTCP, port: g.port}
			if d = w.decide(); d.Allow || d.Reason == ReasonLongName {
				return Decision{Allow: d.Allow, Reason: d.Reason, Rule: d.Rule, Pattern: d.Pattern}
			}
		}
	}
	return Decision{Reason: d.Reason, Rule: d.Rule}
}
