// Package judge asks the policy, records what it said, and keeps what is open, so that a new policy ends what it no
// longer allows.
package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	record "fleet/schemas/audit"
	"fleet/schemas/policy"
)

// Log takes records; audit.Log is it. On an error nothing was recorded.
type Log interface{ Write(record.Record) error }

// Judge decides for one agent.
type Judge struct {
	matcher atomic.Pointer[policy.Matcher]
	log     Log
	last    atomic.Int64 // connection
	cases   atomic.Int64

	mu   sync.Mutex
	open map[*Watch]struct{}
}

// New makes a judge with a first policy.
func New(m *policy.Matcher, log Log) *Judge {
	j := &Judge{log: log, open: map[*Watch]struct{}{}}
	j.matcher.Store(m)
	return j
}

// Number gives the next connection its number.
func (j *Judge) Number() int64 { return j.last.Add(1) }

// Decide asks the policy in force, and records nothing.
func (j *Judge) Decide(q policy.Request) policy.Decision { return j.matcher.Load().Decide(q) }

// Replace puts a policy in force and cuts what it does not allow, which it counts.
func (j *Judge) Replace(m *policy.Matcher) (cut int) {
	j.matcher.Store(m)
	j.mu.Lock()
	var ended []*Watch
	for w := range j.open {
		if !w.allowed(m) {
			ended = append(ended, w)
		}
	}
	j.mu.Unlock()
	for _, w := range ended {
		w.cut()
	}
	return len(ended)
}

// CutAll ends everything that is open.
func (j *Judge) CutAll() {
	j.mu.Lock()
	all := slices.Collect(maps.Keys(j.open))
	j.mu.Unlock()
	for _, w := range all {
		w.cut()
	}
}

// Watch is something open that a new policy may end.
type Watch struct {
	j   *Judge
	qs  []policy.Request
	cut func()

	fits func(policy.Decision) bool // whether what is open can go on under a decision that allows it; nil: it can
}

// Watch keeps cut, to be called when one of qs is no longer allowed, until the Watch is done. It is false when one is
// not allowed any more now: a policy may have been replaced since it was asked.
func (j *Judge) Watch(cut func(), qs ...policy.Request) (*Watch, bool) {
	return j.watch(&Watch{j: j, qs: qs, cut: cut})
}

// WatchIf is Watch for what goes on only where fits says so too.
func (j *Judge) WatchIf(cut func(), fits func(policy.Decision) bool, q policy.Request) (*Watch, bool) {
	return j.watch(&Watch{j: j, qs: []policy.Request{q}, cut: cut, fits: fits})
}

func (j *Judge) watch(w *Watch) (*Watch, bool) {
	j.mu.Lock()
	j.open[w] = struct{}{}
	j.mu.Unlock()
	// After it is in the set, so that no replacement is missed.
	if !w.allowed(j.matcher.Load()) {
		w.Done()
		return nil, false
	}
	return w, true
}

// Done forgets the watch.
func (w *Watch) Done() {
	w.j.mu.Lock()
	delete(w.j.open, w)
	w.j.mu.Unlock()
}

func (w *Watch) allowed(m *policy.Matcher) bool {
	for _, q := range w.qs {
		// KindTLS is a connection that is not inspected: rules with methods or paths may have come.
		d := m.Decide(q)
		if !d.Allow || q.Kind == policy.KindTLS && d.Inspect || w.fits != nil && !w.fits(d) {
			return false
		}
	}
	return true
}

// Case is one request, from its decision to its end.
type Case struct {
	j      *Judge
	record record.Record
	began  time.Time
}

// Case begins a case.
func (j *Judge) Case(connection int64, q policy.Request) *Case {
	r := record.Record{
		Connection: connection, Kind: kinds[q.Kind], Host: q.Host, Port: int(q.Port), Method: q.Method,
	}
	if q.Host == "" && q.Addr.IsValid() {
		r.Host = q.Addr.String()
	}
	r.Path, _, _ = strings.Cut(q.Path, "?")
	r.Serial = j.cases.Add(1)
	return &Case{j: j, record: r, began: time.Now()}
}

var kinds = [...]string{
	policy.KindDNS: "dns", policy.KindConnect: "connect", policy.KindTCP: "tcp", policy.KindTLS: "tls",
	policy.KindHTTP: "http", policy.KindHTTPS: "https", policy.KindDial: "dial",
}

// Uses notes the names of the secrets that are put into the request, and what of the agent's own is taken out of it.
func (c *Case) Uses(secrets, dropped []string) {
	c.record.Secrets, c.record.Dropped = strings.Join(secrets, " "), strings.Join(dropped, " ")
}

// Misplaces notes the secret whose placeholder was found in an allowed case's body after its begin had gone out.
func (c *Case) Misplaces(secret string) { c.record.Secrets = secret }

// Allow records that d allowed the case; address is what will be dialled, "" where that is not known. It returns a
// Refusal when there is no record: what cannot be recorded is not allowed.
func (c *Case) Allow(d policy.Decision, address string) *Refusal {
	r := c.record
	r.Event, r.Verdict, r.Rule, r.Reason, r.Address = record.Decision, record.Allow, d.Rule, d.Reason, address
	switch {
	case d.Reported:
		r.Verdict = record.Would
	case d.Bypassed:
		r.Verdict = record.Bypassed
	}
	if err := c.j.log.Write(r); err != nil {
		return &Refusal{Reason: Unrecorded, Text: "the gate cannot write its audit records now; the operator looks at journald"}
	}
	c.record = r
	return nil
}

// Deny records a refusal. That it could not be recorded does not matter to the agent: it is refused all the same.
func (c *Case) Deny(r *Refusal) {
	if r.Reason == Unrecorded {
		return
	}
	e := c.record
	e.Event, e.Verdict, e.Rule, e.Reason, e.Address = record.Decision, record.Deny, r.Rule, r.Reason, r.Address
	e.Secrets, e.Dropped = r.Secret, ""
	_ = c.j.log.Write(e)
}

// End records the end of an allowed case.
func (c *Case) End(up, down int64, result string) {
	e := c.record
	e.Event, e.BytesUp, e.BytesDown, e.Result = record.End, up, down, result
	e.Micros = time.Since(c.began).Microseconds()
	_ = c.j.log.Write(e)
}

// Reasons of the gate's own, beside those of package policy.
const (
	Unrecorded = "unrecorded"        // there can be no audit record
	NoAddress  = "no-address"        // the host has none
	Unreached  = "unreached"         // the host does not answer
	OwnAddress = "own-address"       // the host's address is one of this machine's
	TooMany    = "too-many"          // new names below a wildcard
	NoName     = "no-name"           // a ClientHello without a name
	OtherName  = "other-name"        // ClientHello or Host header name another host
	Hidden     = "hidden-name"       // a ClientHello whose name is encrypted
	NotTLS     = "not-tls"           // no ClientHello where the rule wants TLS
	Uninspect  = "not-inspected"     // methods or paths are to be decided on inside TLS, which the gate cannot open
	BadCert    = "bad-certificate"   // the host's
	WantsCert  = "wants-certificate" // the host asks the gate for one
	NotTrusted = "gate-not-trusted"  // the agent's program refuses the gate's certificate
	NoShake    = "handshake-failed"  // with the agent, before it could refuse
	Direct     = "direct"            // a connection that was not redirected to the transparent port
	Malformed  = "malformed"         // a request that has more than one reading
	Budget     = "budget"            // as much as a day's limit has gone out
	NoValue    = "secret-missing"    // the gate has not loaded a secret of the policy
	NotSigned  = "not-signed"        // a request of a form that the gate cannot sign anew
	Encoded    = "encoded-answer"    // an answer in which secrets could not be seen
)

// Refusal is why something is not done: a denial, or a host that cannot be reached.
type Refusal struct {
	Reason  string // a Reason of package policy or of this one
	Rule    string
	Address string
	Text    string // for agent and operator
	Secret  string // name of the secret that it is about
}

// Refuse makes a Refusal of a decision.
func Refuse(d policy.Decision, q policy.Request) *Refusal {
	r := &Refusal{Reason: d.Reason, Rule: d.Rule, Text: d.Help(q)}
	if q.Kind == policy.KindDial {
		r.Address = q.Addr.String()
	}
	return r
}

// Error makes a Refusal pass through code that knows errors only.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Reason, r.Text) }

// TooManyNames is the Refusal of a name that package names has no address for.
func TooManyNames(name, rule string) *Refusal {
	return &Refusal{Reason: TooMany, Rule: rule, Text: name + " is refused: too many names for " + rule +
		" are new; ask again in a minute, or the operator lists the name itself"}
}
