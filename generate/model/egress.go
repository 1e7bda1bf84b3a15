package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// Ports of a gate. Those of isolation user are ports of the host: below the range of outgoing connections and away from
// what others use.
const (
	gateDNS, gateProxy, gateTransparent             = 53, 3128, 3129
	userGateDNS, userGateProxy, userGateTransparent = 23053, 23128, 23129
)

// GatePorts are the ports of an agent's gate.
type GatePorts struct {
	DNS         int // UDP and TCP
	Proxy       int // HTTP requests and CONNECT
	Transparent int // redirected connections
}

// GatePorts returns the ports of the agent's gate at GateAddr.
func (a *Agent) GatePorts() GatePorts {
	if a.Isolation == User {
		return GatePorts{userGateDNS, userGateProxy, userGateTransparent}
	}
	return GatePorts{gateDNS, gateProxy, gateTransparent}
}

// GateAddr is where the agent reaches its gate: loopback of its own namespace, or with isolation user an address of the
// host's loopback network that is its alone, 127.128.0.0 and its UID.
func (a *Agent) GateAddr() netip.Addr {
	if a.Isolation != User {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.AddrFrom4([4]byte{127, 0x80 | byte(a.UID>>16), byte(a.UID >> 8), byte(a.UID)})
}

// ProxyVariables name the HTTP proxy for programs that ask for one.
var ProxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}

// ProxyURL is the value of ProxyVariables: the agent's gate.
func (a *Agent) ProxyURL() string {
	return "http://" + net.JoinHostPort(a.GateAddr().String(), strconv.Itoa(a.GatePorts().Proxy))
}

// Literals returns the addresses that the agent's rules name, with their ports, in the order of the rules and each once.
func (a *Agent) Literals() []netip.AddrPort {
	var out []netip.AddrPort
	for _, r := range a.Policy.Allow {
		at, err := netip.ParseAddr(r.Host)
		if err != nil {
			continue // a name
		}
		for _, port := range r.Ports {
			if p := netip.AddrPortFrom(at, uint16(port)); !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Ports of a rule that names none.
const portHTTP, portTLS = 80, 443

// Egress returns the policy of one agent: the fleet's rules, its own and those of its harness. The name of a rule is its
// place in the spec. The secrets that its gate holds are in it too. An error is about egress.dns or egress.upstream; all
// else is the policy's own Check's to find.
func Egress(f *fleet.Fleet, key string, uid int) (*policy.Policy, error) {
	a := f.Agents[key]
	out, err := egressOf(f, key, uid, cmp.Or(a.Egress.Mode, f.Egress.Mode), allowing(f, key), denying(f, key))
	out.Secrets = brokered(f, key)
	out.Quoting = quoting(f, key, out.Secrets)
	return out, err
}

// egressOf makes a policy of rules of a spec.
func egressOf(f *fleet.Fleet, key string, uid int, mode string, allowed []rules, denied []denials) (*policy.Policy, error) {
	out := &policy.Policy{
		Version: policy.Version, Project: f.Project, Agent: key, UID: int64(uid), Mode: mode,
		Allow: []policy.Rule{}, Deny: []policy.Denial{},
	}
	for _, from := range allowed {
		for i, r := range from.rules {
			out.Allow = append(out.Allow, allow(from.name(i), r, from.private)...)
		}
	}
	for _, from := range denied {
		for i, d := range from.denials {
			out.Deny = append(out.Deny, deny(item(from.place, i), d))
		}
	}
	var errDNS, errUpstream error
	out.DNS, errDNS = resolver53(f.Egress.DNS)
	out.Upstream, errUpstream = upstream(f.Egress.Upstream, f.Egress.UpstreamResolves)
	return out, errors.Join(errDNS, errUpstream)
}

// rules are a list of them in a spec.
type rules struct {
	place   string
	rules   []fleet.EgressRule
	private bool // of rules that do not say it
	one     bool // the place is that of its only rule
}

// name is that of a rule: its place in the spec.
func (r rules) name(i int) string {
	if r.one {
		return r.place
	}
	return item(r.place, i)
}

// allowing returns the lists from which the agent's rules come.
func allowing(f *fleet.Fleet, key string) []rules {
	a := f.Agents[key]
	return []rules{
		{place: "egress.allow", rules: f.Egress.Allow, private: f.Egress.Private},
		{place: "agents." + key + ".egress.allow", rules: a.Egress.Allow, private: f.Egress.Private},
		floor(f, key),
		loginRules(f, key),
	}
}

// denials are a list of them in a spec.
type denials struct {
	place   string
	denials []fleet.EgressDenial
}

// denying returns the lists from which the agent's denials come.
func denying(f *fleet.Fleet, key string) []denials {
	return []denials{{"egress.deny", f.Egress.Deny}, {"agents." + key + ".egress.deny", f.Agents[key].Egress.Deny}}
}

// ruleNotes returns what the spec notes of the agent's rules, by their names.
func ruleNotes(f *fleet.Fleet, key string) map[string]string {
	out := map[string]string{}
	for _, from := range allowing(f, key) {
		for i, r := range from.rules {
			out[from.name(i)] = r.Note
		}
	}
	for _, from := range denying(f, key) {
		for i, d := range from.denials {
			out[item(from.place, i)] = d.Note
		}
	}
	maps.DeleteFunc(out, func(_, note string) bool { return note == "" })
	return out
}

func item(place string, i int) string { return place + "[" + strconv.Itoa(i) + "]" }

// allow returns the rules that one of a spec stands for: one for each protocol of its ports.
func allow(name string, r fleet.EgressRule, private bool) []policy.Rule {
	if r.Private != nil {
		private = *r.Private
	}
	ports := slices.Sorted(slices.Values(r.Ports))
	if len(ports) == 0 && r.Protocol != policy.TLS {
		ports = append(ports, portHTTP)
	}
	if len(r.Ports) == 0 && r.Protocol != policy.HTTP {
		ports = append(ports, portTLS)
	}
	var out []policy.Rule
	for _, protocol := range []string{policy.TLS, policy.HTTP, policy.Raw} {
		var some []int
		for _, p := range ports {
			if protocol == cmp.Or(r.Protocol, usual(p)) {
				some = append(some, p)
			}
		}
		if len(some) > 0 {
			out = append(out, policy.Rule{
				Name: name, Host: r.Host, Ports: some, Protocol: protocol, Methods: r.Methods, Paths: r.Paths,
				Private: private, Limits: egressLimits(r.Limits),
			})
		}
	}
	return out
}

// usual is the protocol of a port where a rule names none.
func usual(port int) string {
	if port == portHTTP {
		return policy.HTTP
	}
	return policy.TLS
}

func egressLimits(l *fleet.EgressLimits) *policy.Limits {
	if l == nil || *l == (fleet.EgressLimits{}) {
		return nil
	}
	bytes, _ := l.BytesUpPerDay.Parse() // "" is 0, no limit; the schema has seen all else
	return &policy.Limits{RequestsPerDay: int64(l.RequestsPerDay), BytesUpPerDay: int64(bytes)}
}

func deny(name string, d fleet.EgressDenial) policy.Denial {
	out := policy.Denial{
		Name: name, Host: d.Host, Ports: slices.Sorted(slices.Values(d.Ports)), Methods: d.Methods, Paths: d.Paths,
	}
	if len(out.Ports) == 0 && len(d.Methods)+len(d.Paths) > 0 {
		out.Ports = []int{portHTTP, portTLS}
	}
	return out
}

var (
	errDNS      = errors.New("must be the address of a name server, such as \"9.9.9.9\" or \"10.0.0.2:5353\"")
	errUpstream = errors.New("must be an HTTP proxy, such as \"http://proxy.example.com:3128\", without user and path")
)

// resolver53 returns ADDRESS:PORT of a name server, "" where s is "".
func resolver53(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.AddrPortFrom(a.Unmap(), gateDNS).String(), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
		return "", fmt.Errorf("egress.dns: %w", errDNS)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String(), nil
}

// upstream returns the proxy behind the gates, nil where s is "".
func upstream(s string, resolves bool) (*policy.Upstream, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("egress.upstream: %w", errUpstream)
	}
	h, err := policy.ParseHost(u.Hostname())
	port, portErr := policy.ParsePort(cmp.Or(u.Port(), strconv.Itoa(portHTTP)))
	if err != nil || portErr != nil {
		return nil, fmt.Errorf("egress.upstream: %w", errUpstream)
	}
	return &policy.Upstream{Host: h.String(), Port: int(port), Resolves: resolves}, nil
}
