package nft

import (
	"slices"

	"fleet/generate/model"
)

// chains holds the rules. There is no shortcut for established connections: each packet is judged afresh.
//
// A socket that the kernel made on behalf of a process (SMC, some of MPTCP) has no UID, and neither has one that was
// closed while data was left to send; the cgroup in which it was made is known in both cases. So a packet is rejected for
// either of them and accepted only for both together.
func chains(m *model.Fleet) []Chain {
	var out []Chain
	if hasUser(m) {
		out = append(out, input())
	}
	out = append(out, output(m), agent(), unnamed(m))
	if hasUser(m) {
		out = append(out, local(m))
	}
	if hasPorts(m) {
		out = append(out, loopback(), closed())
	}
	if hasUser(m) && len(m.Sidecars) > 0 {
		out = append(out, answers())
	}
	return append(out, refuse(m))
}

func hasUser(m *model.Fleet) bool {
	return slices.ContainsFunc(m.Agents, func(a model.Agent) bool { return a.Isolation == model.User })
}

func hasPorts(m *model.Fleet) bool {
	return slices.ContainsFunc(m.Agents, func(a model.Agent) bool { return a.LocalPorts != nil })
}

func rule(note string, terms ...Term) Rule { return Rule{Terms: terms, Note: note} }

// Grammar that several rules share. In a chain, `socket cgroupv2 ... != @slice` would not match a socket whose cgroup is
// not known, so what accepts is always written in the positive form.
var (
	inSlice  = []Term{Words("socket cgroupv2 level 2"), Ref("slice")}
	synAck   = Words("tcp flags & ( syn | ack ) == ( syn | ack )")
	notFirst = Words("tcp flags & ( syn | ack ) != syn")
	lo       = Quote("lo")
)

func with(head []Term, tail ...Term) []Term { return append(slices.Clone(head), tail...) }

func input() Chain {
	return Chain{Name: "input", Hook: &Hook{At: "input"}, Rules: []Rule{
		rule("no answer could leave; neither shall orders come in",
			with([]Term{Words("iif !="), lo}, with(inSlice, Words("counter name"), Quote(counterInbound), Words("drop"))...)...),
	}}
}

func output(m *model.Fleet) Chain {
	c := Chain{Name: "output", Hook: &Hook{At: "output"}, Rules: []Rule{
		rule("uids", Words("meta skuid"), Range(m.UIDs.From, m.UIDs.To), Words("goto"), Name("agent")),
		rule("", with(inSlice, Words("goto"), Name("unnamed"))...),
	}}
	if hasUser(m) {
		c.Rules = append(c.Rules, rule("", Words("oif"), lo, Words("ip daddr"), Ref("gates"), Words("goto"), Name("foreign")))
	}
	return c
}

func agent() Chain {
	return Chain{Name: "agent", Rules: []Rule{
		rule("", Words("meta skuid vmap"), Ref("agents")),
		rule("units of another project: its own table decides; a half-open socket has no cgroup yet and no data",
			Words("socket cgroupv2 level 1"), Ref("fleet"), Words("socket cgroupv2 level 2 !="), Ref("slice"), Words("return")),
		rule("", Words("oif"), lo, synAck, Words("return")),
		rule("answers of another project's gates: what they accept has the cgroup of its listener, which is the manager's",
			Words("oif"), lo, Words("ip saddr 127.128.0.0/9 ct direction reply return")),
		rule("", Words("counter name"), Quote(counterRetired)),
		rule("", Words("goto"), Name("refuse")),
	}}
}

func unnamed(m *model.Fleet) Chain {
	c := Chain{Name: "unnamed"}
	if hasUser(m) {
		c.Rules = append(c.Rules, rule("what a closed socket still has to send", Words("oif"), lo, Words("ip daddr"), Ref("gates"),
			notFirst, Words("accept")))
	}
	if hasLiterals(m) {
		c.Rules = append(c.Rules, rule("", Words("ct status dnat ip daddr"), Ref("gates"), notFirst, Words("accept")))
	}
	if hasPorts(m) {
		c.Rules = append(c.Rules, toLoopback("closed")...)
	}
	c.Rules = append(c.Rules,
		rule("", Words("counter name"), Quote(counterUnnamed)),
		rule("", Words("limit rate 6/minute burst 6 packets"), logTerm(m)),
		rule("", Words("goto"), Name("refuse")))
	return c
}

// toLoopback jumps to a chain for packets that stay on loopback.
func toLoopback(chain string) []Rule {
	return []Rule{
		rule("", Words("oif"), lo, Words("ip daddr 127.0.0.0/8 jump"), Name(chain)),
		rule("", Words("oif"), lo, Words("ip6 daddr ::1 jump"), Name(chain)),
	}
}

// local is for agents of isolation user: their gates, and where they have ports of their own these.
func local(m *model.Fleet) Chain {
	c := Chain{Name: "local", Rules: []Rule{
		rule("", with(inSlice, Words("oif"), lo, Words("meta l4proto { tcp , udp } meta skuid . ip daddr . th dport vmap"), Ref("doors"))...),
	}}
	if hasLiterals(m) {
		c.Rules = append(c.Rules, rule("an address that a rule names; the interface is the one that leads there, see leaving",
			with(inSlice, Words("ct status dnat meta l4proto tcp meta skuid . ip daddr . th dport vmap"), Ref("doors"))...))
	}
	if hasPorts(m) {
		c.Rules = append(c.Rules, toLoopback("loopback")...)
	}
	c.Rules = append(c.Rules, rule("", Words("goto"), Name("refuse")))
	return c
}

func loopback() Chain {
	return Chain{Name: "loopback", Rules: []Rule{
		rule("to a port of its own", with(inSlice, Words("meta skuid . tcp dport vmap"), Ref("ports"))...),
		rule("from a port of its own, but never the packet that opens a connection; a half-open socket has no cgroup yet",
			synAck, Words("meta skuid . tcp sport vmap"), Ref("ports")),
		rule("", with(inSlice, notFirst, Words("meta skuid . tcp sport vmap"), Ref("ports"))...),
	}}
}

func closed() Chain {
	return Chain{Name: "closed", Note: "what a closed socket still has to send", Rules: []Rule{
		rule("", notFirst, Words("tcp dport"), Ref("local_ports"), Words("accept")),
		rule("", notFirst, Words("tcp sport"), Ref("local_ports"), Words("accept")),
	}}
}

// answers is for sidecars: what they accept of agents of isolation user is a socket of the host's network, though they
// have another. They can open none there.
func answers() Chain {
	return Chain{Name: "answers", Rules: []Rule{
		rule("", Words("oif"), lo, Words("ip saddr"), Ref("gates"), Words("ct direction reply accept")),
		rule("", Words("goto"), Name("refuse")),
	}}
}

func refuse(m *model.Fleet) Chain {
	return Chain{Name: "refuse", Rules: []Rule{
		rule("", Words("counter name meta skuid map"), Ref("counters")),
		rule("", Words("update"), Ref("logged"), Words("{ meta skuid limit rate 6/minute burst 6 packets }"), logTerm(m),
			Words("flags skuid")),
		rule("", Words("meta l4proto tcp reject with tcp reset")),
		rule("", Words("reject with icmpx admin-prohibited")),
	}}
}

// logTerm is a log statement. Its prefix has the project's name, so that lines of two projects can be told apart.
func logTerm(m *model.Fleet) Term {
	prefix := Quote("fleet " + m.Project + " refused: ")
	return Term{text: "log prefix " + prefix.text + " level notice", err: prefix.err}
}
