package spec

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// unknownKey reports a key that the schema does not have at this place.
func (t *translator) unknownKey(p place, at map[string]any, isNot, hint string) {
	key := p[len(p)-1]
	if _, free := at["patternProperties"]; free {
		t.refuse(p, show(key)+" "+isNot, hint)
		return
	}
	props, _ := at["properties"].(map[string]any)
	known := slices.Sorted(maps.Keys(props))
	switch near := nearest(key, known); {
	case near != "":
		hint = "did you mean " + near + "?"
	default:
		hint = t.elsewhere(p, known)
	}
	t.refuse(p, "is not a key of a spec", hint)
}

// elsewhere finds a key one level further down or up, else lists the keys of this place.
func (t *translator) elsewhere(p place, known []string) string {
	key, n, nodes := p[len(p)-1], t.schema.root, []*node{}
	for _, step := range p[:len(p)-1] {
		nodes, n = append(nodes, n), n.below(step)
	}
	for _, k := range n.keys() {
		if _, ok := n.props[k].props[key]; ok {
			return "did you mean " + k + "." + key + "?"
		}
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		if _, ok := nodes[i].props[key]; ok && i == 0 {
			return "it stands at the top level, beside agents"
		} else if ok {
			return "did you mean " + p[:i].in(key).String() + "?"
		}
	}
	return "keys here: " + strings.Join(known, ", ")
}

// closest returns a hint with the accepted value that v seems to mean, or "".
func closest(v any, accepted []any) string {
	text, ok := v.(string)
	if !ok {
		return ""
	}
	if near := nearest(text, texts(accepted)); near != "" {
		return "did you mean " + show(near) + "?"
	}
	return ""
}

// nearest returns the word of known that word is a slip of, or "". Case, dashes and underscores do not count; of other
// letters one may differ in a short word and two in a long one.
func nearest(word string, known []string) string {
	best, least := "", 1+min(2, (len(word)+2)/4)
	for _, k := range known {
		if d := distance(fold(word), fold(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

func fold(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '-' || c == '_' {
			return -1
		}
		return unicode.ToLower(c)
	}, clip(s))
	return strings.TrimSuffix(s, "s")
}

// distance is the number of letters to add, remove, replace or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
