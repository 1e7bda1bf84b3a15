package spec

import (
	"regexp"
	"slices"
	"strings"
)

// Key is what the schema says about a key of a spec.
type Key struct {
	Path        string   `json:"path"` // such as agents.KEY.limits.memory
	Type        string   `json:"type"`
	Required    bool     `json:"required,omitempty"`
	Values      []any    `json:"values,omitempty"`  // accepted ones, where they are few
	Default     any      `json:"default,omitempty"` // nil where the key is not set by default
	Description string   `json:"description"`
	Examples    []any    `json:"examples,omitempty"`
	Hint        string   `json:"hint,omitempty"` // how to write a value
	Keys        []string `json:"keys,omitempty"` // paths of the keys inside
}

// keyWord stands for a key that the spec chooses, listMark for any item of a list.
const (
	keyWord  = "KEY"
	listMark = "[]"
)

var anIndex = regexp.MustCompile(`\[[0-9]*\]`)

// Explain returns the keys that name means: a whole path, such as agents.worker.limits.memory, or its end, such as
// iteration or limits.memory. Keys that stand at several places give several answers, the shortest path first; an
// unknown one gives none and the nearest known ends of paths.
func Explain(name string) (found []Key, near []string) {
	wanted := strings.Split(anIndex.ReplaceAllString(strings.ReplaceAll(name, `"`, ""), ""), ".")
	if wanted[0] == "defaults" && len(wanted) > 1 {
		wanted = append([]string{"agents", keyWord}, wanted[1:]...)
	}
	var ends []string
	everyKey(nil, parseSchema().root, func(steps []string, n *node, required bool) {
		ends = append(ends, strings.TrimSuffix(steps[len(steps)-1], listMark))
		if endsIn(steps, wanted) {
			found = append(found, describe(steps, n, required))
		}
	})
	if len(found) > 0 {
		return shortest(found), nil
	}
	slices.Sort(ends)
	if k := nearest(wanted[len(wanted)-1], slices.Compact(ends)); k != "" {
		near = append(near, k)
	}
	return nil, near
}

// Keys returns the paths of all keys of a spec in order.
func Keys() []string {
	var out []string
	everyKey(nil, parseSchema().root, func(steps []string, _ *node, _ bool) { out = append(out, strings.Join(steps, ".")) })
	return out
}

// everyKey visits all keys below n. What defaults holds is the same as an agent and is left out.
func everyKey(at []string, n *node, visit func(steps []string, n *node, required bool)) {
	for _, k := range n.keys() {
		steps := append(slices.Clone(at), k)
		visit(steps, n.props[k], slices.Contains(n.required, k))
		if k != "defaults" {
			everyKey(steps, n.props[k], visit)
		}
	}
	if n.each != nil {
		everyKey(n.inside(at), n.each, visit)
	}
}

// inside returns the place of what a list or an object of names holds.
func (n *node) inside(at []string) []string {
	out := slices.Clone(at)
	if n.pattern == nil {
		out[len(out)-1] += listMark
		return out
	}
	return append(out, keyWord)
}

// endsIn says whether steps end in wanted; KEY stands for any key.
func endsIn(steps, wanted []string) bool {
	if len(wanted) > len(steps) {
		return false
	}
	for i, w := range wanted {
		if have := strings.TrimSuffix(steps[len(steps)-len(wanted)+i],
			listMark); have != w && (have != keyWord || i == len(wanted)-1) {
			return false
		}
	}
	return true
}

// shortest keeps the answers of the whole path where there is one: project means the top level's alone.
func shortest(found []Key) []Key {
	depth := func(k Key) int { return strings.Count(k.Path, ".") }
	slices.SortStableFunc(found, func(a, b Key) int { return depth(a) - depth(b) })
	return found
}

func describe(steps []string, n *node, required bool) Key {
	k := Key{
		Path: strings.Join(steps, "."), Type: n.typeText(), Required: required, Values: n.enum,
		Default: n.def, Description: n.desc, Examples: n.examples, Hint: n.hint,
	}
	inside := n
	if n.props == nil && n.each != nil {
		inside, steps = n.each, n.inside(steps)
	}
	for _, name := range inside.keys() {
		k.Keys = append(k.Keys, strings.Join(append(slices.Clone(steps), name), "."))
	}
	return k
}

// typeText is a person's word for the type of a value.
func (n *node) typeText() string {
	switch {
	case n.typeName != "":
		return n.typeName
	case n.enum != nil:
		return "one of " + showList(n.enum)
	case n.pattern != nil:
		return "object of names"
	case slices.Equal(n.types, []string{"array"}) && n.each != nil && n.each.props == nil:
		return "list of " + n.each.typeText()
	}
	words := make([]string, len(n.types))
	for i, t := range n.types {
		_, word, ok := strings.Cut(typeName(t), " ")
		if !ok || t == "boolean" {
			word = typeName(t)
		}
		words[i] = word
	}
	return strings.Join(words, " or ")
}
