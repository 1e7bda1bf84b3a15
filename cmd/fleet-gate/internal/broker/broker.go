// Package broker puts secrets into requests of an agent that has placeholders alone, and takes them out of the answers.
//
// A placeholder is replaced where it stands at a place of a secret that the request may have, and there exactly. In any
// other place of a head or a body it is a sign that somebody tries to use the secret elsewhere, and the request is
// refused. A placeholder is no secret: one that an agent has written in yet another way (compressed, in hex) goes out
// unseen, and so does one inside TLS that no rule and no secret has looked into. No harm is done: nobody replaces it.
package broker

import (
	"net/textproto"
	"sync"

	"fleet/cmd/fleet-gate/internal/find"
	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/scrub"
	"fleet/cmd/fleet-gate/internal/vault"
	"fleet/schemas/policy"
)

// Broker knows the values of one agent's secrets.
type Broker struct {
	vault *vault.Vault

	mu  sync.Mutex
	kit *kit // of the policy in force, or of one that has just been
}

// New makes a broker. Without values it lets no request of a policy with secrets out.
func New(v *vault.Vault) *Broker { return &Broker{vault: v} }

// kit is what is made once for a policy.
type kit struct {
	of      policy.SecretSet
	list    []*item   // in the policy's order
	guard   *find.Set // placeholders, in the same order
	missing string    // name of a secret that has no value

	mu    sync.Mutex
	hosts map[policy.SecretSet]*host
}

// item is a secret and what is made of it once.
type item struct {
	*policy.Secret
	field string // canonical; "" where it has none
}

// host is what is made once for hosts to which the same secrets go.
type host struct {
	names []string
	scrub *scrub.Scrubber // nil: none
}

// maxHosts bounds the different sets of secrets for which a scrubber is kept.
const maxHosts = 100

func (b *Broker) tools(h policy.Held) *kit {
	of := h.All()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kit != nil && b.kit.of == of {
		return b.kit
	}
	k := &kit{of: of, hosts: map[policy.SecretSet]*host{}}
	var texts [][]byte
	for s := range of.Each() {
		i := &item{Secret: s}
		if s.Header != "" {
			i.field = textproto.CanonicalMIMEHeaderKey(s.Header)
		}
		k.list, texts = append(k.list, i), append(texts, []byte(s.Placeholder))
		if b.vault == nil || len(b.vault.Now(s.Name).Bytes()) == 0 {
			k.missing = s.Name
		}
	}
	k.guard = find.New(texts)
	b.kit = k
	return k
}

// nowhere is a host to which no secret goes.
var nowhere = new(host)

// host is that for one to which these secrets go.
func (b *Broker) host(k *kit, near policy.SecretSet) *host {
	if near.Empty() {
		return nowhere
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.hosts[near]; h != nil {
		return h
	}
	h := new(host)
	var list []scrub.Secret
	for s := range near.Each() {
		h.names = append(h.names, s.Name)
		for _, v := range []vault.Value{b.vault.Now(s.Name), b.vault.Before(s.Name)} {
			if len(v.Bytes()) > 0 {
				list = append(list, scrub.Secret{Value: v.Bytes(), Placeholder: s.Placeholder})
			}
		}
	}
	if len(k.hosts) >= maxHosts {
		clear(k.hosts)
	}
	h.scrub = scrub.New(list)
	k.hosts[near] = h
	return h
}

// Look puts secrets into the head of a request that the policy allows, and takes the agent's own credentials out where
// a secret goes. target is what would be passed on. The fields of req may have changed also where it is refused.
func (b *Broker) Look(h policy.Held, req *head.Request, target string) (*Use, *judge.Refusal) {
	k := b.tools(h)
	if k.missing != "" {
		return nil, &judge.Refusal{
			Reason: judge.NoValue, Secret: k.missing,
			Text: "the gate has no value for the secret " + k.missing + "; the operator sets it with fleet secret set",
		}
	}
	u := &Use{Target: target, kit: k, broker: b, quoting: h.Quoting(), host: b.host(k, h.Near())}
	l := look{u: u, kit: k}
	for i, s := range k.list {
		if h.Here().Has(i) {
			l.here = append(l.here, s)
		}
		if h.May().Has(i) {
			l.may = append(l.may, s)
		}
	}
	u.here = l.here
	r := l.target()
	if r == nil {
		r = l.signature(req.Header)
	}
	if r == nil {
		r = l.fields(req.Header)
	}
	if r != nil {
		return nil, r
	}
	return u, nil
}
