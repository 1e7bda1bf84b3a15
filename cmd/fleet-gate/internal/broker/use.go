package broker

import (
	"io"
	"net/http"
	"slices"

	"fleet/cmd/fleet-gate/internal/find"
	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/sigv4"
	"fleet/schemas/policy"
)

// MaxHashed bounds a body that is read whole because its hash is signed.
const MaxHashed = 16 << 20

// Use is what is done with a request and its answer after its head. A nil Use does nothing: the policy has no secrets.
type Use struct {
	Target  string   // to pass on
	Names   []string // of the secrets that are put in
	Dropped []string // what of the agent's own does not go out

	kit     *kit
	broker  *Broker
	quoting bool
	here    []*item // that go to the host and port
	host    *host
	sign    *signing // nil: it is not signed
}

type signing struct {
	scope  sigv4.Scope
	secret *item
	hash   string // of the body; "" where it has to be read first
}

// Fits tells whether the answer is scrubbed of all secrets that go to the host under another decision.
func (u *Use) Fits(d policy.Decision) bool {
	for s := range d.Held.Near().Each() {
		if u == nil || !slices.Contains(u.host.names, s.Name) {
			return false
		}
	}
	return true
}

// Guards tells whether the request's body is looked at.
func (u *Use) Guards() bool { return u != nil && !u.quoting }

// Body passes a request's body on. Its error is a *judge.Refusal where there is a placeholder, of which the last byte at
// least has not gone.
func (u *Use) Body(r io.Reader) io.Reader {
	if !u.Guards() {
		return r
	}
	return find.NewReader(r, u.kit.guard, func(_ []byte, which int) error { return u.kit.misplaced(which, "the body") })
}

// Trailer looks at the fields behind a request's body, of which no one has a secret put in.
func (u *Use) Trailer(h http.Header) *judge.Refusal {
	if u == nil {
		return nil
	}
	l := look{u: u, kit: u.kit, here: u.here}
	return l.fields(h)
}

// Hashes tells whether the body has to be read before it is signed; Hashed gives it.
func (u *Use) Hashes() bool { return u != nil && u.sign != nil && u.sign.hash == "" }

// Hashed takes a whole body.
func (u *Use) Hashed(body []byte) { u.sign.hash = sigv4.HashOf(body) }

// TooLong refuses a body that is longer than MaxHashed.
func (u *Use) TooLong() *judge.Refusal {
	return unsigned(u.sign.secret, "its body has more than 16 MiB and no "+sigv4.HashField)
}

// identity is shared by all requests; nobody changes it.
var identity = []string{"identity"}

// Ask changes the fields that go out so that the answer can be read, and signs them. It comes last.
func (u *Use) Ask(out *http.Request) {
	if u == nil {
		return
	}
	if u.host.scrub != nil {
		out.Header["Accept-Encoding"] = identity
		for _, name := range []string{"Sec-Websocket-Extensions", "Grpc-Accept-Encoding", "Connect-Accept-Encoding"} {
			delete(out.Header, name) // ask for compression
		}
	}
	if s := u.sign; s != nil {
		out.Header[authorization] = []string{s.scope.Sign(u.broker.vault.Now(s.secret.Name).Bytes(), sigv4.Request{
			Method: out.Method, Host: out.Host, Target: u.Target, Header: out.Header, Hash: s.hash,
		})}
	}
}

// Answer takes the secrets out of the head of an answer and has its body read without them. What cannot be read is
// refused.
func (u *Use) Answer(resp *http.Response) *judge.Refusal {
	if u == nil || u.host.scrub == nil {
		return nil
	}
	upgraded := resp.StatusCode == http.StatusSwitchingProtocols
	if encoded(resp.Header) || upgraded && len(resp.Header["Sec-Websocket-Extensions"]) > 0 {
		return &judge.Refusal{
			Reason: judge.Encoded,
			Text:   "the host has encoded its answer unasked, so that the gate cannot take secrets out of it",
		}
	}
	u.Header(resp.Header)
	u.Header(resp.Trailer)
	if !upgraded {
		resp.Body = &clean{u.host.scrub.Reader(resp.Body), resp.Body}
	}
	return nil
}

// encoded tells whether an answer has an encoding.
func encoded(h http.Header) bool {
	for _, name := range []string{"Content-Encoding", "Grpc-Encoding", "Connect-Content-Encoding"} {
		if slices.ContainsFunc(head.Tokens(h, name), func(coding string) bool { return coding != "identity" }) {
			return true
		}
	}
	return false
}

// clean is an answer's body without secrets.
type clean struct {
	r *find.Reader
	io.Closer
}

// Read may read nothing, so that whoever reads on while there is more does not wait with what was read before.
func (c *clean) Read(p []byte) (int, error) { return c.r.Some(p) }

// Header takes the secrets out of the fields of an answer.
func (u *Use) Header(h http.Header) {
	if u != nil && u.host.scrub != nil {
		u.host.scrub.Header(h)
	}
}

// Reader passes on what a host says after an upgrade, without secrets.
func (u *Use) Reader(r io.Reader) io.Reader {
	if u == nil || u.host.scrub == nil {
		return r
	}
	return u.host.scrub.Reader(r)
}
