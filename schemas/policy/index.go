package policy

import (
	"net/netip"
	"strings"
)

// Matcher is a policy made ready to be asked. It is not changed once it is made, so that any number of goroutines may
// ask at once.
type Matcher struct {
	mode  string
	agent string
	exact map[string]*node
	below map[string]*node // "x.test" for the wildcard *.x.test
	addrs map[netip.Addr]*node
	keys  *keyring // nil where the policy has no secrets

	limits map[string]Limits // by Decision.Budget
}

// Limits are the limits in force by what Decision.Budget has. They belong to the Matcher.
func (m *Matcher) Limits() map[string]Limits { return m.limits }

// node holds the rules for one host of a policy.
type node struct {
	denied *rule   // by a denial of everything
	groups []group // by port
}

// group holds the rules for one host and port.
type group struct {
	port     uint16
	protocol string
	inspect  bool // a rule has methods or paths
	private  bool
	denied   *rule // by a denial of the whole port
	first    *rule // of those that allow, the one for decisions on connections
	allow    *set  // nil where none allows
	deny     *set  // denials of some requests; nil where there is none
}

// rule is what a decision takes over of a Rule or a Denial.
type rule struct {
	name   string
	host   string // as the Rule has it
	limits Limits
	budget string // "" where there is no limit
}

// group returns the rules for a port, nil where there is none.
func (n *node) group(port uint16) *group {
	i, ok := n.find(port)
	if !ok {
		return nil
	}
	return &n.groups[i]
}

// find returns where the rules for a port stand or belong.
func (n *node) find(port uint16) (int, bool) {
	low, high := 0, len(n.groups)
	for low < high {
		if mid := (low + high) / 2; n.groups[mid].port < port {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(n.groups) && n.groups[low].port == port
}

// steps returns the nodes for a host, the most specific one first.
func (m *Matcher) steps(h Host) steps { return steps{m: m, h: h, rest: h.Name} }

type steps struct {
	m     *Matcher
	h     Host
	rest  string // of the name, "" at the end
	begun bool
	node  *node
	child int // length of what stands before the wildcard's name, 0 for an exact host
}

func (s *steps) next() bool {
	if !s.begun {
		s.begun = true
		if s.node = s.m.host(s.h); s.node != nil {
			return true
		}
	}
	for s.rest != "" {
		i := strings.IndexByte(s.rest, '.')
		if i < 0 {
			return false
		}
		s.rest = s.rest[i+1:]
		if s.node = s.m.below[s.rest]; s.node != nil {
			s.child = len(s.h.Name) - len(s.rest) - 1
			return true
		}
	}
	return false
}

func (m *Matcher) host(h Host) *node {
	if h.Name == "" {
		return m.addrs[h.Addr]
	}
	return m.exact[h.Name]
}
