package nft

import (
	"net/netip"
	"slices"

	"fleet/generate/model"
	"fleet/schemas/policy"
)

// gateSets holds what the rules about gates ask: which of them may go to private addresses, and for agents of isolation
// user where their gates are.
func gateSets(m *model.Fleet) []Set {
	// The gate itself refuses these; the rules hold where it would not.
	inside4, inside6 := policy.NotPublic()
	out := []Set{
		{Name: "inside", Key: "ipv4_addr", Flags: []string{"interval"}, Elements: blocks(inside4)},
		{Name: "inside6", Key: "ipv6_addr", Flags: []string{"interval"}, Elements: blocks(inside6)},
		{Name: "private", Key: "uid", Elements: private(m)},
	}
	if !hasUser(m) {
		return out
	}
	var gates, doors, servers, ways, literals []Element
	for _, a := range m.Contained() {
		if a.Isolation != model.User {
			continue
		}
		uid, at, ports := Num(a.UID), Addr(a.GateAddr()), a.GatePorts()
		gates = append(gates, Element{[]Term{at}, nil, a.GateUser})
		for _, port := range []int{ports.DNS, ports.Proxy, ports.Transparent} {
			doors = append(doors, Element{[]Term{uid, at, Ports(port, port)}, []Term{Words("accept")}, a.User})
		}
		for _, c := range a.Calls {
			doors = append(doors, Element{[]Term{uid, at, Ports(c.Port, c.Port)}, []Term{Words("accept")}, a.User + " to sidecar " + c.Name})
		}
		servers = append(servers, Element{[]Term{uid}, []Term{at, Words("."), Ports(ports.DNS, ports.DNS)}, a.User})
		ways = append(ways, Element{[]Term{uid}, []Term{at, Words("."), Ports(ports.Transparent, ports.Transparent)}, a.User})
		literals = append(literals, addresses(a)...)
	}
	return append(out,
		Set{Name: "gates", Key: "ipv4_addr", Elements: gates},
		Set{Name: "doors", Key: "uid . ipv4_addr . inet_service", Value: "verdict", Elements: doors},
		Set{Name: "servers", Key: "uid", Value: "ipv4_addr . inet_service", Elements: servers},
		Set{Name: "ways", Key: "uid", Value: "ipv4_addr . inet_service", Elements: ways},
		Set{Name: "literals", Key: "uid . ipv4_addr . inet_service", Elements: literals})
}

// blocks are the elements of a set of addresses.
func blocks(list []netip.Prefix) []Element {
	var out []Element
	for _, p := range list {
		out = append(out, Element{Key: []Term{Words(p.String())}})
	}
	return out
}

// private returns the gates of agents with a rule that may lead to a private address.
func private(m *model.Fleet) []Element {
	var out []Element
	for _, a := range m.Contained() {
		if slices.ContainsFunc(a.Policy.Allow, func(r policy.Rule) bool { return r.Private }) {
			out = append(out, Element{Key: []Term{Num(a.GateUID)}, Note: a.GateUser})
		}
	}
	return out
}

// addresses returns the addresses that rules of the agent name. Connections to others are rejected; those to names come
// to addresses that its gate gave out.
func addresses(a *model.Agent) []Element {
	var out []Element
	for _, at := range a.Literals() {
		if port := int(at.Port()); at.Addr().Is4() {
			out = append(out, Element{[]Term{Num(a.UID), Addr(at.Addr()), Ports(port, port)}, nil, a.User})
		}
	}
	return out
}

// gateChains are the rules for gates themselves, and those that lead agents of isolation user to theirs.
func gateChains(m *model.Fleet) []Chain {
	out := []Chain{gate(m)}
	if hasUser(m) {
		out = append(out, foreign(), redirected())
	}
	if hasLiterals(m) {
		out = append(out, leaving())
	}
	return out
}

// hasLiterals tells whether a rule of an agent of isolation user names an address.
func hasLiterals(m *model.Fleet) bool {
	return slices.ContainsFunc(m.Agents, func(a model.Agent) bool {
		return a.Isolation == model.User && len(addresses(&a)) > 0
	})
}

// leaving keeps what is for gates on loopback. A packet whose destination was changed is routed again, while the chains
// of its hook still see the interface from before: it shows in the next hook only.
func leaving() Chain {
	return Chain{Name: "leaving", Hook: &Hook{At: "postrouting"}, Rules: []Rule{
		rule("a socket that is bound to an interface", Words("oif !="), lo, Words("ip daddr"), Ref("gates"),
			Words("counter name"), Quote(counterForeign), Words("drop")),
	}}
}

// gate bounds where a gate may go.
func gate(m *model.Fleet) Chain {
	ports := []Rule{rule("the name server may be on loopback or in a private network", Words("meta l4proto { tcp , udp } th dport 53 accept"))}
	for _, port := range otherPorts(m) {
		ports = append(ports, rule("egress.dns or egress.upstream", Words("meta l4proto { tcp , udp } th dport"), port, Words("accept")))
	}
	return Chain{Name: "gate", Rules: slices.Concat(
		[]Rule{rule("answers to agents of isolation user", Words("ct direction reply accept"))},
		ports,
		[]Rule{
			rule("", Words("meta skuid"), Ref("private"), Words("accept")),
			rule("", Words("ip daddr"), Ref("inside"), Words("goto"), Name("refuse")),
			rule("", Words("ip6 daddr"), Ref("inside6"), Words("goto"), Name("refuse")),
			rule("", Words("accept")),
		})}
}

// otherPorts are the ports of a name server and of an upstream proxy that the spec names. They are the same for all
// agents.
func otherPorts(m *model.Fleet) []Term {
	var out []Term
	if len(m.Agents) == 0 {
		return nil
	}
	p := m.Agents[0].Policy
	if dns, err := netip.ParseAddrPort(p.DNS); err == nil && dns.Port() != 53 {
		out = append(out, Ports(int(dns.Port()), int(dns.Port())))
	}
	if p.Upstream != nil {
		out = append(out, Ports(p.Upstream.Port, p.Upstream.Port))
	}
	return out
}

// foreign keeps everybody else from the gates of isolation user.
func foreign() Chain {
	return Chain{Name: "foreign", Rules: []Rule{
		rule("the connection's first packet was its agent's", notFirst, Words("accept")),
		rule("", Words("counter name"), Quote(counterForeign)),
		rule("", Words("meta l4proto tcp reject with tcp reset")),
		rule("", Words("reject with icmpx admin-prohibited")),
	}}
}

// redirected leads what agents of isolation user send to their gates.
func redirected() Chain {
	return Chain{Name: "redirected", Hook: &Hook{Type: "nat", At: "output", Priority: -100}, Rules: []Rule{
		rule("name servers elsewhere are refused", Words("ip daddr 127.0.0.0/8 meta l4proto { tcp , udp } th dport 53 dnat ip to meta skuid map"),
			Ref("servers")),
		rule("addresses that gates give to names", Words("ip daddr 127.64.0.0/10 meta l4proto tcp dnat ip to meta skuid map"), Ref("ways")),
		rule("", Words("meta l4proto tcp meta skuid . ip daddr . tcp dport"), Ref("literals"),
			Words("dnat ip to meta skuid map"), Ref("ways")),
	}}
}
