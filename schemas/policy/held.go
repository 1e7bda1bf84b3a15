package policy

import (
	"iter"
	"slices"
	"strings"
)

// Held tells which of a policy's secrets concern a request. It allows nothing: rules have done so before. Its zero value
// is that of a policy without secrets.
type Held struct {
	keys            *keyring
	near, here, may marks
	quoting         bool
}

// Any tells whether the policy has secrets, so that no request may have a placeholder where it does not belong.
func (h Held) Any() bool { return h.keys != nil }

// All are the policy's secrets.
func (h Held) All() SecretSet {
	if h.keys == nil {
		return SecretSet{}
	}
	return SecretSet{h.keys, h.keys.all}
}

// Near are those that go to the host, by whatever port: an answer of it may repeat them.
func (h Held) Near() SecretSet { return SecretSet{h.keys, h.near} }

// Here are those that go to the host and port: no credential of the agent's own does.
func (h Held) Here() SecretSet { return SecretSet{h.keys, h.here} }

// May are those that this request may have, by host, port, method and path.
func (h Held) May() SecretSet { return SecretSet{h.keys, h.may} }

// Quoting tells whether the body of a request may quote a placeholder.
func (h Held) Quoting() bool { return h.quoting }

// SecretSet is some of a policy's secrets. It can be compared: equal ones are the same secrets of one Matcher.
type SecretSet struct {
	keys  *keyring
	marks marks
}

// Empty tells whether there is none.
func (s SecretSet) Empty() bool { return s.marks == marks{} }

// Has tells whether the policy's secret of a number is one of them.
func (s SecretSet) Has(i int) bool { return s.marks.has(i) }

// Each goes over the secrets in the policy's order. They belong to the Matcher.
func (s SecretSet) Each() iter.Seq[*Secret] {
	return func(yield func(*Secret) bool) {
		if s.Empty() {
			return
		}
		for i := range s.keys.list {
			if s.marks.has(i) && !yield(&s.keys.list[i]) {
				return
			}
		}
	}
}

// marks are numbers below MaxSecrets.
type marks [(MaxSecrets + 63) / 64]uint64

func (m *marks) add(i int)      { m[i/64] |= 1 << (i % 64) }
func (m *marks) has(i int) bool { return m[i/64]&(1<<(i%64)) != 0 }

// keyring holds a policy's secrets by host.
type keyring struct {
	list    []Secret
	all     marks
	paths   []*set // of each; nil is any path
	hosts   places[[]int]
	quoting places[bool]
}

// places holds something by exact host and by wildcard.
type places[V any] struct{ exact, below map[string]V }

func (p *places[V]) at(pattern string) (m map[string]V, key string) {
	if name, ok := strings.CutPrefix(pattern, "*."); ok {
		return p.below, name
	}
	return p.exact, pattern
}

// each goes over what there is for a name, from the exact host to the widest wildcard.
func (p *places[V]) each(name string, visit func(V)) {
	if v, ok := p.exact[name]; ok {
		visit(v)
	}
	for len(p.below) > 0 {
		i := strings.IndexByte(name, '.')
		if i < 0 {
			return
		}
		name = name[i+1:]
		if v, ok := p.below[name]; ok {
			visit(v)
		}
	}
}

// newKeyring returns nil where there are no secrets.
func newKeyring(p *Policy) *keyring {
	if len(p.Secrets) == 0 {
		return nil
	}
	k := &keyring{
		list: slices.Clone(p.Secrets), paths: make([]*set, len(p.Secrets)),
		hosts:   places[[]int]{map[string][]int{}, map[string][]int{}},
		quoting: places[bool]{map[string]bool{}, map[string]bool{}},
	}
	for i := range k.list {
		s := &k.list[i]
		k.all.add(i)
		for _, host := range s.Hosts {
			m, key := k.hosts.at(host)
			m[key] = append(m[key], i)
		}
		if len(s.Paths) > 0 {
			k.paths[i] = new(set)
			k.paths[i].add(nil, s.Paths, &rule{name: s.Name})
		}
	}
	for _, host := range p.Quoting {
		m, key := k.quoting.at(host)
		m[key] = true
	}
	return k
}

// held returns what is known without method and path.
func (k *keyring) held(h Host, port uint16) Held {
	out := Held{keys: k}
	if h.Name == "" { // no secret goes to an address
		return out
	}
	k.hosts.each(h.Name, func(list []int) {
		for _, i := range list {
			out.near.add(i)
			if _, ok := slices.BinarySearch(k.list[i].Ports, int(port)); ok {
				out.here.add(i)
			}
		}
	})
	k.quoting.each(h.Name, func(bool) { out.quoting = true })
	return out
}

// looksAtPaths tells whether one of the secrets for a host and port has paths, so that a request's must have one reading.
func (h *Held) looksAtPaths() bool {
	if h.keys == nil || h.here == (marks{}) {
		return false
	}
	for i, s := range h.keys.paths {
		if s != nil && h.here.has(i) {
			return true
		}
	}
	return false
}

// request notes which secrets a request may have. The target is canonical where looksAtPaths is true.
func (h *Held) request(method, target string) {
	if h.keys == nil || h.here == (marks{}) {
		return
	}
	for i := range h.keys.list {
		if !h.here.has(i) || !h.keys.list[i].takes(method) {
			continue
		}
		if paths := h.keys.paths[i]; paths != nil {
			if r, _ := paths.match(method, target); r == nil {
				continue
			}
		}
		h.may.add(i)
	}
}

// usualMethods are those that may have a secret that lists none.
var usualMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

func (s *Secret) takes(method string) bool {
	if len(s.Methods) == 0 {
		return slices.Contains(usualMethods, method)
	}
	return slices.Contains(s.Methods, method)
}
