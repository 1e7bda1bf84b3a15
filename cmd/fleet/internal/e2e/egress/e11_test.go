//go:build machine

package egress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
)

// leadsTo are addresses that an allowed name may lead to, and why each is refused.
var leadsTo = map[string][]string{
	"private-address": { // B1, B5
		"127.0.0.1", "127.0.0.53", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
		"::1", "fc00::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", // B3; a public one is its IPv4 address
	},
	"forbidden-address": { // B6, B7, B8
		"169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd20:ce::254", "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1",
		"198.51.100.1", "203.0.113.77", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "127.64.0.2", "127.128.0.1", "fe80::1", "ff02::1",
		"64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "2001::1", "2001:db8::2", "::", "::7f00:1",
	},
}

// E11, B1, B5 to B8: an allowed name that leads to an address that no agent shall reach, by each way.
func TestEGRE11Addresses(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, a *agent) {
		var group []attempt
		names, n := map[string]origins.Answer{}, 0
		for reason, all := range leadsTo {
			for _, address := range all {
				n++
				host := a.key + "-" + strconv.Itoa(n) + ".ssrf.test"
				if strings.Contains(address, ":") {
					host = a.key + "-" + strconv.Itoa(n) + ".ssrf6.test"
				}
				names[host] = origins.Answer{Addresses: []string{address}, TTL: 60}
				name := map[bool]string{true: "by CONNECT", false: "by name"}[n%2 == 0]
				group = append(group, attempt{address + " " + name, func(a *agent) error { return greetBy(a, name, host, clientHello(host)) }, reason, host},
					attempt{address + " in plain HTTP", forward(host), reason, host})
			}
		}
		a.net.Names(names)
		a.blocked(group)
		a.net.Names(map[string]origins.Answer{"lan.test": {Addresses: []string{"10.1.2.3"}}})
		a.blocked([]attempt{
			{"a private address without private", forward("lan.test"), "private-address", "lan.test"},
			{"metadata with private", forward("home-meta.test"), "forbidden-address", "home-meta.test"},
		})
		a.must(order{Script: "curl -sS http://home.test/in"}, "origin home.test GET /in") // whose rule says private
	})
}

// ownPublic is an address of the machine that looks public.
const ownPublic = "93.184.216.99"

// B9, B10: an address of this machine, whatever it looks like, and the gates' own listeners.
func TestCATB9OwnAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.Sh("ip address replace " + ownPublic + "/32 dev out0")
		host := func(n int) string { return fmt.Sprintf("%s-own%d.ssrf.test", a.key, n) }
		a.net.Names(map[string]origins.Answer{
			host(1): {Addresses: []string{ownPublic}}, host(2): {Addresses: []string{origins.HostAddress}}, host(3): {Addresses: []string{"127.0.0.1"}},
			"home.test": {Addresses: []string{strings.Split(a.on(t).lab.agent(t, "u2").proxy, ":")[0]}},
		})
		defer a.reload()
		defer a.net.Names(map[string]origins.Answer{"home.test": {Addresses: []string{"10.1.2.3"}}})
		a.reload()
		a.blocked([]attempt{
			{"a public address of the machine", forward(host(1)), "own-address", host(1)},
			{"a public address of the machine by TLS", connectHello(host(1)), "own-address", host(1)},
			{"the machine's on its link", forward(host(2)), "own-address|forbidden-address", host(2)},
			{"the machine's loopback", forward(host(3)), "private-address|own-address", host(3)},
			{"a gate, by a rule with private", forward("home.test"), "forbidden-address|own-address", "home.test"},
		})
		out, exit := a.sh(order{Script: "curl -sS -m 5 http://127.0.0.1:80/ http://" + ownPublic + "/ http://localhost:443/", Plain: true})
		if strings.Contains(out, "origin") {
			t.Errorf("services of the host answer: exit status %d, %s", exit, out)
		}
	})
}

func connectHello(host string) func(*agent) error {
	return func(a *agent) error { return greetBy(a, "by CONNECT", host, clientHello(host)) }
}

// reload has the gate read its policy again, and forget what it has looked up.
func (a *agent) reload() {
	a.t.Helper()
	a.MustRun("systemctl", "reload-or-restart", "fleet-demo-"+a.key+"-gate.service")
}

// E11, B11 to B14: names that change, names with good and bad addresses, chains, and servers that fail.
func TestEGRE11Resolving(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		host := func(name string) string { return a.key + "-" + name + ".ssrf.test" }
		many := make([]string, 1000)
		for i := range many {
			many[i] = fmt.Sprintf("93.184.%d.%d", 200+i/250, 1+i%250)
		}
		a.net.Names(map[string]origins.Answer{
			host("turn"):  {Addresses: []string{origins.Address}, Then: [][]string{{"127.0.0.1"}}},
			host("mixed"): {Addresses: []string{"10.0.0.1", origins.Address, "169.254.169.254", "127.0.0.1"}},
			host("chain"): {CNAME: "evil.test"}, host("deep"): {CNAME: host("inner")}, host("inner"): {Addresses: []string{"10.0.0.1"}},
			host("many"): {Addresses: many}, host("servfail"): {Fail: "SERVFAIL"}, host("refused"): {Fail: "REFUSED"}, host("gone"): {Fail: "NXDOMAIN"},
			host("empty"): {}, host("loop"): {CNAME: host("loop")},
		})
		get := func(name string) string {
			return fmt.Sprintf("curl -sS -m 15 http://%s/%s", host(name), name)
		}

		// B12: one look-up, and what it said is dialled; the next one is judged anew.
		a.net.Forget()
		for range 5 {
			a.must(order{Script: get("turn")}, "origin "+host("turn"))
		}
		if n := a.asked(host("turn")); n != 1 {
			t.Errorf("%d look-ups for five requests", n)
		}
		a.reload()
		a.blocked([]attempt{{"after the name has turned", forward(host("turn")), "private-address", host("turn")}})

		// B11: the public one of several is dialled, the others never.
		a.net.Forget()
		a.must(order{Script: get("mixed")}, "origin "+host("mixed"))
		s := a.net.Seen()
		if s.To("10.0.0.1", 0)+s.To("169.254.169.254", 0) > 0 || slices.ContainsFunc(s.New(), func(c origins.Connection) bool { return c.Host }) {
			t.Errorf("of a mixed answer the origins saw %+v", s.Packets)
		}

		// B13: a chain ends where its address says, and the record has it.
		a.must(order{Script: get("chain")}, "origin "+host("chain"))
		a.audited("a chain", func(e audit.Entry) bool {
			return e.Host == host("chain") && e.Address == origins.Address+" via evil.test"
		})
		a.blocked([]attempt{{"a chain to a private address", forward(host("deep")), "private-address", host("deep")}})

		// B14: bounded, closed, and no storm.
		began := time.Now()
		a.must(order{Script: get("many")}, "origin "+host("many"))
		a.net.Forget()
		var group []attempt
		for _, name := range []string{"servfail", "refused", "gone", "empty", "loop"} {
			for range 4 {
				group = append(group, attempt{name, forward(host(name)), "no-address", host(name)})
			}
		}
		a.blocked(group)
		if took := time.Since(began); took > 90*time.Second {
			t.Errorf("it took %v", took)
		}
		a.net.Forget()
		for range 20 {
			_ = forward(host("servfail"))(a)
		}
		if n := a.net.Seen().Asked(host("servfail")); n > 40 {
			t.Errorf("%d questions for 20 requests of a name whose server fails", n)
		}
	})
}

// asked is how often the name server was asked for an address of a name.
func (a *agent) asked(name string) (n int) {
	for _, q := range a.net.Seen().Queries {
		if q.Name == name && q.Type == "A" {
			n++
		}
	}
	return n
}
