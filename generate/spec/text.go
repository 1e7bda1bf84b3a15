package spec

import (
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"
)

// checkTexts refuses every text that cannot be written safely into a unit, a ruleset or a script, or read by a
// reviewer as it is, and every text that holds a credential. It returns doc without them.
func checkTexts(found *faults, s *schemas, doc any) any {
	t := texter{found: found}
	t.walk(nil, doc, s.root)
	return without(doc, t.faulty)
}

type texter struct {
	found  *faults
	faulty []place
}

func (t *texter) walk(p place, v any, n *node) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			t.walk(p.in(k), v[k], n.below(k))
		}
	case []any:
		for i, item := range v {
			t.walk(p.at(i), item, n.below(""))
		}
	case string:
		if !checkText(t.found, p, v, n.multi) || !isKeyID(p) && !checkNoCredential(t.found, p, v) {
			t.faulty = append(t.faulty, p)
		}
	}
}

// isKeyID tells of an AWS access key ID: it has the form of a credential, and stands in the clear in each request.
func isKeyID(p place) bool { return len(p) == 3 && p[0] == "secrets" && p[2] == "sigv4" }

// checkText reports the first character of s that no text may hold, and whether there is none. Newlines and tabs are
// allowed where multi is set.
func checkText(found *faults, p place, s string, multi bool) bool {
	if !utf8.ValidString(s) {
		found.error(p, "must be UTF-8", "save the file as UTF-8")
		return false
	}
	line := 1
	for _, c := range s {
		if why, hint := badCharacter(c, multi); why != "" {
			if multi {
				why = fmt.Sprintf("%s in line %d", why, line)
			}
			found.error(p, why, hint)
			return false
		}
		if c == '\n' {
			line++
		}
	}
	return true
}

func badCharacter(c rune, multi bool) (why, hint string) {
	switch {
	case multi && (c == '\n' || c == '\t'):
		return "", ""
	case c == '\n':
		return "must be one line, has a newline", "only prompts, instructions and scripts have several lines"
	case c == '\r' && multi:
		return "must not hold a carriage return, has one", "write line ends as LF, as in: sed -i 's/\\r$//' FILE"
	case unicode.IsControl(c):
		return fmt.Sprintf("must not hold control characters, has U+%04X", c), "take it out"
	case c == unicode.ReplacementChar:
		return "must be UTF-8, has U+FFFD, the mark of a broken character", "save the file as UTF-8"
	case hidesText(c):
		return fmt.Sprintf("must read as it looks, has the invisible U+%04X", c),
			"take it out: such characters hide or reorder text in front of a reviewer"
	}
	return "", ""
}

// hidesText says whether c reorders or hides the text around it: bidirectional overrides and isolates (CVE-2021-42574),
// tag characters, which carry unseen instructions to a model, other line ends, and code points that are no characters.
func hidesText(c rune) bool {
	return c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069 || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
		c >= 0xE0000 && c <= 0xE007F || c&0xFFFE == 0xFFFE || c >= 0xFDD0 && c <= 0xFDEF
}
