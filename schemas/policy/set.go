package policy

import "strings"

// set holds methods and paths of the rules for one host and port. A nil set holds none.
type set struct {
	fold  bool             // of denials: without regard to case and to a last slash
	any   *leaf            // of rules for every path
	exact map[string]*leaf // by path
	below map[string]*leaf // by path up to its last slash
	depth int              // most slashes in a key of below
}

// leaf holds the rules for one path by method.
type leaf struct {
	any     *rule
	methods map[string]*rule
}

// paths tells whether a rule has paths.
func (s *set) paths() bool { return s != nil && len(s.exact)+len(s.below) > 0 }

// match returns the rule with the most specific path that has the method, and whether a rule has the path at all.
// The target is canonical where paths() is true.
func (s *set) match(method, target string) (r *rule, seen bool) {
	if s == nil {
		return nil, false
	}
	if s.paths() {
		var room [512]byte // enough for most paths, so that they cost no allocation
		path, _, _ := strings.Cut(target, "?")
		if r, seen = s.find(method, s.key(room[:0], path)); r != nil {
			return r, true
		}
	}
	r, any := s.any.get(method)
	return r, seen || any
}

// key returns the path as the keys of s have it.
func (s *set) key(room []byte, path string) []byte {
	b := append(room, path...)
	if s.fold {
		for i, c := range b {
			if c >= 'A' && c <= 'Z' {
				b[i] = c + 'a' - 'A'
			}
		}
	}
	return b
}

func (s *set) find(method string, path []byte) (r *rule, seen bool) {
	whole := path
	if n := len(path) - 1; s.fold && n > 0 && path[n] == '/' {
		whole = path[:n]
	}
	if r, seen = s.exact[string(whole)].get(method); r != nil {
		return r, true
	}
	depth := 0
	for i := 0; i < len(path) && depth < s.depth; i++ {
		if path[i] != '/' {
			continue
		}
		depth++
		longer, any := s.below[string(path[:i+1])].get(method)
		seen = seen || any
		if longer != nil {
			r = longer
		}
	}
	return r, seen
}

// get returns the rule for a method, and whether there is any rule.
func (l *leaf) get(method string) (*rule, bool) {
	if l == nil {
		return nil, false
	}
	if r := l.methods[method]; r != nil {
		return r, true
	}
	return l.any, true
}
