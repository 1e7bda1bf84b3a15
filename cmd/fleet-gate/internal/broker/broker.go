// Package broker puts secrets into requests of an agent that has placeholders alone, and takes them out of the answers.
//
// A placeholder is replaced where it stands at a place of a secret that the request may have, and there exactly. In any
// other place of a head or a body it is a sign that somebody tries to use the secret elsewhere, and the request is
// refused. A placeholder is no secret: one that an agent has written in yet another way (compressed, in hex) goes out
// unseen, and no harm is done, since nobody replaces it.
package broker

import (
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
	list    []*policy.Secret
	guard   *find.Set // placeholders, in the order of list
	missing string    // name of a secret that has no value

	mu     sync.Mutex
	scrubs map[policy.SecretSet]*scrub.Scrubber
}

// maxScrubs bounds the different sets of secrets for which a scrubber is kept.
const maxScrubs = 100

func (b *Broker) tools(h policy.Held) *kit {
	of := h.All()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kit != nil && b.kit.of == of {
		return b.kit
	}
	k := &kit{of: of, scrubs: map[policy.SecretSet]*scrub.Scrubber{}}
	var texts [][]byte
	for s := range of.Each() {
		k.list, texts = append(k.list, s), append(texts, []byte(s.Placeholder))
		if b.vault == nil || len(b.vault.Now(s.Name).Bytes()) == 0 {
			k.missing = s.Name
		}
	}
	k.guard = find.New(texts)
	b.kit = k
	return k
}

// scrubber is that for the answers of a host to which these secrets go.
func (b *Broker) scrubber(k *kit, near policy.SecretSet) *scrub.Scrubber {
	if near.Empty() {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.scrubs[near]; s != nil {
		return s
	}
	var list []scrub.Secret
	for s := range near.Each() {
		for _, v := range []vault.Value{b.vault.Now(s.Name), b.vault.Before(s.Name)} {
			if len(v.Bytes()) > 0 {
				list = append(list, scrub.Secret{Value: v.Bytes(), Placeholder: s.Placeholder})
			}
		}
	}
	if len(k.scrubs) >= maxScrubs {
		clear(k.scrubs)
	}
	s := scrub.New(list)
	k.scrubs[near] = s
	return s
}

// Look puts secrets into the head of a request that the policy allows, and takes the agent's own credentials out where a
// secret goes. target is what would be passed on. The fields of req may have changed also where it is refused.
func (b *Broker) Look(h policy.Held, req *head.Request, target string) (*Use, *judge.Refusal) {
	k := b.tools(h)
	if k.missing != "" {
		return nil, &judge.Refusal{
			Reason: judge.NoValue, Secret: k.missing,
			Text: "the gate has no value for the secret " + k.missing + "; the operator sets it with fleet secret set",
		}
	}
	u := &Use{Target: target, kit: k, broker: b, quoting: h.Quoting(), scrub: b.scrubber(k, h.Near())}
	l := look{u: u, kit: k}
	for s := range h.May().Each() {
		l.may = append(l.may, s)
	}
	for s := range h.Here().Each() {
		l.here = append(l.here, s)
	}
	for _, step := range []func(*head.Request) *judge.Refusal{l.target, l.signature, l.fields} {
		if r := step(req); r != nil {
			return nil, r
		}
	}
	u.here = l.here
	for s := range h.Near().Each() {
		u.near = append(u.near, s.Name)
	}
	return u, nil
}
