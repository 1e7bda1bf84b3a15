//go:build machine

package origins

import (
	"slices"
	"sync"
)

// Packet is what arrived at one address, whether anything listens there or not.
type Packet struct {
	Protocol string // tcp, udp, icmp, or a number
	Address  string
	Port     int
	Count    int
}

// Connection is one TCP connection that a server took.
type Connection struct {
	Host    bool // of the machine's own services, not of the origins
	Address string
	Port    int
	Open    bool
	Old     bool // it was open before the last Forget
}

// Request is one HTTP request.
type Request struct {
	Host, SNI, Method, Path, Protocol string
	TLS                               bool
	Header                            map[string][]string
	Body                              int64
}

// Query is one question to the name server.
type Query struct{ Name, Type, Network string }

// Seen is all that has arrived since the last Forget, connections that are open since before among it.
type Seen struct {
	Packets     []Packet // without those of older connections
	Connections []Connection
	Requests    []Request
	Queries     []Query
}

// New returns the connections that were made since the last Forget.
func (s *Seen) New() []Connection {
	return slices.DeleteFunc(slices.Clone(s.Connections), func(c Connection) bool { return c.Old })
}

// To counts the packets to an address; port 0 is any.
func (s *Seen) To(address string, port int) (n int) {
	for _, p := range s.Packets {
		if p.Address == address && (port == 0 || p.Port == port) {
			n += p.Count
		}
	}
	return n
}

// Asked tells how often the name server was asked for a name.
func (s *Seen) Asked(name string) (n int) {
	for _, q := range s.Queries {
		if q.Name == name {
			n++
		}
	}
	return n
}

// Requested returns the requests for a host.
func (s *Seen) Requested(host string) (out []Request) {
	for _, r := range s.Requests {
		if r.Host == host {
			out = append(out, r)
		}
	}
	return out
}

// book keeps what is seen.
type book struct {
	mu          sync.Mutex
	packets     map[Packet]int // of a Packet without its count
	forgotten   int
	opened      map[flow]int // how often all was forgotten before a connection was opened
	connections []*Connection
	requests    []Request
	queries     []Query
}

func (b *book) seen() *Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Seen{Requests: slices.Clone(b.requests), Queries: slices.Clone(b.queries)}
	for p, n := range b.packets {
		p.Count = n
		s.Packets = append(s.Packets, p)
	}
	for _, c := range b.connections {
		s.Connections = append(s.Connections, *c)
	}
	return s
}

func (b *book) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.packets)
	b.forgotten++
	b.requests, b.queries = nil, nil
	b.connections = slices.DeleteFunc(b.connections, func(c *Connection) bool {
		c.Old = true
		return !c.Open
	})
}

// packet counts a packet, but not what a connection of before the last Forget still says.
func (b *book) packet(p Packet, f flow) {
	b.mu.Lock()
	defer b.mu.Unlock()
	opens := f.opens
	f.opens = false
	if opens {
		b.opened[f] = b.forgotten
	}
	if at, known := b.opened[f]; known && at < b.forgotten {
		return
	}
	b.packets[p]++
}

// connected notes a connection and returns what notes its end.
func (b *book) connected(c Connection) (closed func()) {
	c.Open = true
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connections = append(b.connections, &c)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		c.Open = false
	}
}

func (b *book) requested(r Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r)
}

func (b *book) asked(q Query) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queries = append(b.queries, q)
}
