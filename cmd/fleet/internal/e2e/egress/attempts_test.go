//go:build machine

package egress

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/schemas/audit"
	"fleet/schemas/egress"
)

// attempt is one thing that an agent must not get through.
type attempt struct {
	name   string
	do     func(a *agent) error // nil where it got through
	reason string               // of the gate's record, or several with "|" between; kernel or nothing where it gets no so far
	asks   string               // a name that the gate may look up for it
}

// kernel is the reason of what the kernel refuses, and counts; nothing that of what does not even become a packet.
const kernel, nothing = "kernel", ""

// blocked has the agent make attempts. Each fails, the origins see nothing of it, and it is counted: by the gate, which
// also records it, or by the kernel.
func (a *agent) blocked(group []attempt) {
	a.t.Helper()
	began := time.Now().Add(-time.Second) // the journal has its own rounding
	wanted := map[string]int{}
	for _, x := range group {
		if x.reason != kernel && x.reason != nothing {
			wanted[x.reason]++
		}
		a.blockedOne(x)
	}
	a.Eventually("records of all denials", usually, func() error {
		got := map[string]int{}
		for _, e := range a.records(began) {
			if e.Verdict == audit.Deny || e.Ended() {
				got[e.Reason] += max(1, int(e.Count))
				got[e.Result]++
			}
		}
		missing := 0
		for reason, n := range wanted {
			missing += max(0, n-sum(got, reason))
		}
		if missing > got["many"] { // those that stand together in one record when there are too many
			return fmt.Errorf("the journal tells of %v, want %v", got, wanted)
		}
		return nil
	})
}

func (a *agent) blockedOne(x attempt) {
	a.t.Helper()
	a.net.Forget()
	before := a.counted(x.reason)
	err := x.do(a)
	if err == nil {
		a.t.Errorf("%s: it got through", x.name)
	}
	if leak := leaks(a.net.Seen(), x.asks); leak != "" {
		a.t.Errorf("%s: the origins saw %s", x.name, leak)
	}
	if x.reason == nothing {
		return
	}
	var after int
	for range 20 {
		if after = a.counted(x.reason); after > before {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	a.t.Errorf("%s: %d %s were counted before and %d after; the agent saw %v; %v", x.name, before, x.reason, after, err, a.denials())
}

// counted is how often something was refused for a reason.
func (a *agent) counted(reason string) int {
	a.t.Helper()
	if reason == kernel {
		return a.rejected()
	}
	return sum(a.denials(), reason)
}

// sum adds the counts of some reasons, with "|" between them.
func sum(counts map[string]int, reasons string) (n int) {
	for r := range strings.SplitSeq(reasons, "|") {
		n += counts[r]
	}
	return n
}

var denial = regexp.MustCompile(`fleet_gate_decisions_total\{.*verdict="deny",reason="([^"]*)"\} (\d+)`)

// denials are what the gate has counted, by reason.
func (a *agent) denials() map[string]int {
	a.t.Helper()
	out := map[string]int{}
	for _, m := range denial.FindAllStringSubmatch(a.metrics(), -1) {
		out[m[1]], _ = strconv.Atoi(m[2])
	}
	return out
}

// metrics is the page of the gate, empty where it does not run.
func (a *agent) metrics() string {
	c, cancel := ctx()
	defer cancel()
	page, err := egress.Metrics(c, a.Path("/run/fleet/demo/egress/gate/"+a.key+"/control"))
	if err != nil {
		return ""
	}
	return string(page)
}

// rejected is how many packets the kernel has refused of the agent: in its own network namespace by its rules or for lack
// of a route; in the host's by the firewall's counter of its user, which stands in both of its tables.
func (a *agent) rejected() int {
	a.t.Helper()
	script := `nft list counters | awk '$1 == "counter" { mine = $2 == "agent_` + a.key + `" } mine && $1 == "packets" { n += $2 } END { print n + 0 }'`
	if isolation[a.key] == "namespace" {
		script = `p=/proc/` + a.pid() + `/net; {
			nsenter -t ` + a.pid() + ` -n nft list chain inet fleet rest | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
			awk '$1 == "Ip:" && !h { split($0, name); h = 1; next } $1 == "Ip:" { for (i in name) if (name[i] == "OutNoRoutes") print $i }' $p/snmp
			awk '$1 == "Ip6OutNoRoutes" { print $2 }' $p/snmp6; } | awk '{ n += $1 } END { print n + 0 }'`
	}
	n, err := strconv.Atoi(a.Sh(script))
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

func (a *agent) pid() string { return a.Show("fleet-demo-"+a.key+".service", "MainPID")["MainPID"] }

// served are the ports of the origins that note connections; of those a late packet is none of an attempt's.
var served = []int{origins.Echo, origins.Silent, origins.Banner, origins.DNS, origins.HTTP, origins.HTTPS, origins.Postgres, sshPort}

// leaks tells what the origins have seen that they should not, but for questions for one name.
func leaks(s *origins.Seen, but string) string {
	var out []string
	for _, c := range s.New() {
		out = append(out, fmt.Sprintf("a connection to %s:%d", c.Address, c.Port))
	}
	for _, r := range s.Requests {
		out = append(out, fmt.Sprintf("the request %s %s of %s", r.Method, r.Path, r.Host))
	}
	for _, q := range s.Queries {
		if but == "" || !strings.EqualFold(q.Name, but) {
			out = append(out, "a question for "+q.Name)
		}
	}
	for _, p := range s.Packets {
		switch {
		case linkOnly(p): // the link's and the origins' own
		case (p.Address == origins.Address || p.Address == origins.Resolver) && slices.Contains(served, p.Port):
		default:
			out = append(out, fmt.Sprintf("%d packets %s to %s port %d", p.Count, p.Protocol, p.Address, p.Port))
		}
	}
	return strings.Join(out, "; ")
}

// linkOnly tells of what a link and its ends say by themselves.
func linkOnly(p origins.Packet) bool {
	at, err := netip.ParseAddr(p.Address)
	said := p.Protocol != "tcp" && p.Protocol != "udp" && at.IsMulticast() // IGMP and MLD
	return p.Protocol == "icmp6" || err == nil && (said || at.IsLoopback())
}

// entries are all records of the agent.
func (a *agent) entries() (out []audit.Entry) {
	a.t.Helper()
	a.MustRun("journalctl", "--namespace=fleet-demo", "--sync")
	exit, text, errOut := a.Fleet("egress", "log", a.key, "--json", "-n", "0")
	if exit != 0 {
		a.t.Fatalf("fleet egress log: exit status %d\n%s", exit, errOut)
	}
	for line := range strings.Lines(text) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			a.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

// audited waits for a record.
func (a *agent) audited(what string, ok func(audit.Entry) bool) {
	a.t.Helper()
	a.Eventually("the record of "+what, usually, func() error {
		all := a.entries()
		if slices.ContainsFunc(all, ok) {
			return nil
		}
		return fmt.Errorf("%w among %d, the last of which are %+v", errNoRecord, len(all), all[max(0, len(all)-5):])
	})
}

func allowed(host string, port int) func(audit.Entry) bool {
	return func(e audit.Entry) bool { return e.Verdict == audit.Allow && e.Host == host && e.Port == port }
}

// together runs groups one after the other.
func together(groups ...[]attempt) []attempt { return slices.Concat(groups...) }

// named gives each attempt of a list a name by its input.
func named(reason, prefix string, inputs []string, do func(a *agent, in string) error) (out []attempt) {
	for _, in := range inputs {
		out = append(out, attempt{
			name: fmt.Sprintf("%s %.60q", prefix, in), reason: reason,
			do: func(a *agent) error { return do(a, in) },
		})
	}
	return out
}
