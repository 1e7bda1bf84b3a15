// Package outgoing makes the gate's own connections: it looks a name up once, asks the policy about every address, and
// connects to one of those that it allows and to nothing else. A name that leads to another address a moment later
// changes nothing.
package outgoing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

const (
	// lookupTime bounds a look-up, dialTime all attempts to connect, one after the other by stagger.
	lookupTime = 5 * time.Second
	dialTime   = 10 * time.Second
	stagger    = 300 * time.Millisecond // RFC 8305 proposes 250 ms

	// maxAddrs bounds the addresses of a host that are looked at.
	maxAddrs = 16

	// keep is how long an answer is used again, keepFailed a failure, so that nobody can make a storm of questions.
	keep, keepFailed = 30 * time.Second, 2 * time.Second
	maxKept          = 4096

	// keepOwn is how long it is believed whether an address is one of this machine's, which come and go.
	keepOwn = time.Second
)

// Dialer connects to hosts.
type Dialer struct {
	Dialled func(took time.Duration, err error) // is called after each attempt to connect to a host, if not nil

	Listeners []netip.AddrPort // the gate's own, in the network that it dials in

	judge *judge.Judge
	local func(netip.Addr) bool

	mu       sync.Mutex
	lookup   func(ctx context.Context, name string) ([]netip.Addr, error)
	upstream *policy.Upstream
	kept     map[string]*answer
}

type answer struct {
	done  chan struct{}
	addrs []netip.Addr
	via   []string // names that the name stands for
	err   error
	until time.Time // zero until it is there
}

// Options of New.
type Options struct {
	DNS      string           // resolver, ADDRESS:PORT; "" is that of the host
	Upstream *policy.Upstream // proxy for all connections
}

// New makes a dialer.
func New(j *judge.Judge, o Options) *Dialer {
	d := &Dialer{judge: j, local: remembered(isLocal)}
	d.Configure(o)
	return d
}

// Configure puts other options in force, for connections that are made from now on.
func (d *Dialer) Configure(o Options) {
	r := &net.Resolver{PreferGo: true}
	r.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if o.DNS != "" {
			addr = o.DNS
		}
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return listen(ctx, c), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.upstream, d.kept = o.Upstream, map[string]*answer{}
	d.lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
		// The dot keeps the search list of the host out.
		return r.LookupNetIP(ctx, "ip", name+".")
	}
}

func (d *Dialer) proxy() *policy.Upstream {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.upstream
}

// Target is a host whose addresses have been looked up and allowed.
type Target struct {
	Host  string // in canonical form
	Port  uint16
	Addrs []netip.Addr // none where the upstream proxy looks the name up
	Via   []string     // names that Host stands for by CNAME, the first one first
}

// Resolve looks a host in canonical form up, which the policy has allowed. The error is a *judge.Refusal; of several
// reasons for several addresses it has the last.
func (d *Dialer) Resolve(ctx context.Context, host string, port uint16) (*Target, error) {
	t := &Target{Host: host, Port: port}
	if up := d.proxy(); up != nil && up.Resolves {
		return t, nil
	}
	addrs, via, err := d.addresses(ctx, host)
	if err != nil {
		return nil, &judge.Refusal{Reason: judge.NoAddress, Text: host + " could not be looked up: " + reason(err)}
	}
	t.Via = via
	var refusal *judge.Refusal
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		if r := d.check(host, a.Unmap(), port); r != nil {
			refusal = r
			continue
		}
		t.Addrs = append(t.Addrs, a.Unmap())
	}
	if len(t.Addrs) == 0 {
		if refusal == nil {
			refusal = &judge.Refusal{Reason: judge.NoAddress, Text: host + " has no address"}
		}
		return nil, refusal
	}
	return t, nil
}

// reason leaves out the resolver's address, which is none of the agent's business.
func reason(err error) string {
	var e *net.DNSError
	if errors.As(err, &e) && e.IsNotFound {
		return "no such host"
	}
	return "the resolver does not answer"
}

func (d *Dialer) check(host string, a netip.Addr, port uint16) *judge.Refusal {
	q := dial(host, a, port)
	if decision := d.judge.Decide(q); !decision.Allow {
		return judge.Refuse(decision, q)
	}
	return d.own(host, a, port)
}

func dial(host string, a netip.Addr, port uint16) policy.Request {
	return policy.Request{Kind: policy.KindDial, Host: host, Addr: a, Port: port}
}

// addresses returns what a name has, from memory for a while. All who ask at once wait for one look-up.
func (d *Dialer) addresses(ctx context.Context, host string) (addrs []netip.Addr, via []string, err error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil, nil
	}
	a, mine := d.find(host)
	if mine {
		d.ask(host, a)
	}
	select {
	case <-a.done:
		return a.addrs, a.via, a.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (d *Dialer) find(host string) (a *answer, mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.kept[host]; a != nil && (a.until.IsZero() || time.Now().Before(a.until)) {
		return a, false
	}
	if len(d.kept) >= maxKept {
		d.forget()
	}
	a = &answer{done: make(chan struct{})}
	d.kept[host] = a
	return a, true
}

// forget drops what is too old, or else everything that is there.
func (d *Dialer) forget() {
	now := time.Now()
	for host, a := range d.kept {
		if !a.until.IsZero() && now.After(a.until) {
			delete(d.kept, host)
		}
	}
	if len(d.kept) >= maxKept {
		clear(d.kept)
	}
}

// ask is not bound to the one who asked first: others may wait for the answer too.
func (d *Dialer) ask(host string, a *answer) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	d.mu.Lock()
	lookup := d.lookup
	d.mu.Unlock()
	c := &chain{next: map[string]string{}}
	addrs, err := lookup(context.WithValue(ctx, chainKey{}, c), host)
	d.mu.Lock()
	a.addrs, a.via, a.err, a.until = addrs, c.from(host), err, time.Now().Add(keep)
	if err != nil {
		a.until = time.Now().Add(keepFailed)
	}
	d.mu.Unlock()
	close(a.done)
}

// Dial connects to a target. The error is a *judge.Refusal.
func (d *Dialer) Dial(ctx context.Context, t *Target) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	began := time.Now()
	var c *net.TCPConn
	var err error
	if up := d.proxy(); up != nil {
		c, err = d.through(ctx, up, t)
	} else {
		c, err = first(ctx, t.Addrs, t.Port)
	}
	if d.Dialled != nil {
		d.Dialled(time.Since(began), err)
	}
	if err != nil {
		return nil, &judge.Refusal{Reason: judge.Unreached, Text: fmt.Sprintf("%s:%d cannot be reached: %v", t.Host, t.Port, cause(err))}
	}
	return c, nil
}

// cause is what is worth to be known: not the gate's own address and port.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

type result struct {
	c   *net.TCPConn
	err error
}

// first tries addresses, each one a while after the one before or when one failed, and keeps the first connection.
func first(ctx context.Context, addrs []netip.Addr, port uint16) (*net.TCPConn, error) {
	if len(addrs) == 1 {
		return dialOne(ctx, addrs[0], port)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(addrs))
	running, failed := 0, error(nil)
	for running > 0 || len(addrs) > 0 {
		var wait <-chan time.Time
		if len(addrs) > 0 {
			go func(a netip.Addr) {
				c, err := dialOne(ctx, a, port)
				results <- result{c, err}
			}(addrs[0])
			running, addrs = running+1, addrs[1:]
			wait = time.After(stagger)
		}
		select {
		case r := <-results:
			running--
			if r.err == nil {
				if running > 0 {
					go closeLate(results, running)
				}
				return r.c, nil
			}
			failed = r.err
		case <-wait:
		}
	}
	return nil, failed
}

func closeLate(results chan result, n int) {
	for range n {
		if r := <-results; r.err == nil {
			r.c.Close()
		}
	}
}

// dialOne connects to exactly this address. Dialer.DialTCP would bind before, which takes a port for all hosts at once.
func dialOne(ctx context.Context, a netip.Addr, port uint16) (*net.TCPConn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// Checks are the questions that have to be allowed as long as a connection to the target is open.
func (t *Target) Checks(remote net.Addr) []policy.Request {
	if len(t.Addrs) == 0 {
		return []policy.Request{{Kind: policy.KindTCP, Host: t.Host, Port: t.Port}}
	}
	addr := t.Addrs[0]
	if r, ok := remote.(*net.TCPAddr); ok {
		for _, a := range t.Addrs {
			if a == r.AddrPort().Addr().Unmap() {
				addr = a
			}
		}
	}
	return []policy.Request{dial(t.Host, addr, t.Port)}
}

// String is the addresses as the audit has them, and the names on the way to them.
func (t *Target) String() string {
	all := make([]string, len(t.Addrs), len(t.Addrs)+1+len(t.Via))
	for i, a := range t.Addrs {
		all[i] = a.String()
	}
	if len(t.Via) > 0 {
		all = append(append(all, "via"), t.Via...)
	}
	return strings.Join(all, " ")
}
