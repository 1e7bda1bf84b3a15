package unitfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"fleet/schemas/report"
)

// Change is one key that means something else than before.
type Change struct {
	Section string   `json:"section"`
	Key     string   `json:"key"`
	Old     []string `json:"old,omitempty"`
	New     []string `json:"new,omitempty"`
}

// Diff returns the keys in which two units differ, sorted by section and key. The order of a key's values counts; the
// order of keys and sections, comments, Description= and Documentation=, and keys that only fleet reads, do not.
func Diff(old, new Unit) []Change {
	var out []Change
	for _, section := range both(old, new) {
		for _, key := range both(old[section], new[section]) {
			if !counts(section, key) {
				continue
			}
			a, b := old.Values(section, key), new.Values(section, key)
			if !slices.EqualFunc(a, b, func(x, y string) bool { return sameValue(key, x, y) }) {
				out = append(out, Change{Section: section, Key: key, Old: a, New: b})
			}
		}
	}
	return out
}

func both[V any](a, b map[string]V) []string {
	keys := append(sorted(a), sorted(b)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// record matches the command that notes which definition runs. Its argument is a digest over the whole text, comments
// too, so that it would turn every edit of a comment into a change.
var record = regexp.MustCompile(`^[-@:+!]*"?/var/lib/fleet/store/[0-9a-f]{32}-record"?( |$)`)

var digest = regexp.MustCompile(` "?[0-9a-f]{32}"?( |$)`)

func sameValue(key, a, b string) bool {
	if worded[key] {
		a, b = squeeze(a), squeeze(b)
	}
	if a == b {
		return true
	}
	return record.MatchString(a) && digest.ReplaceAllString(a, " DIGEST$1") == digest.ReplaceAllString(b, " DIGEST$1")
}

// squeeze makes every run of blanks outside quotes one space, since systemd splits the value into words there.
func squeeze(value string) string {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && i+1 < len(value):
			b.WriteByte(c)
			i++
			c = value[i]
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t'):
			for i+1 < len(value) && (value[i+1] == ' ' || value[i+1] == '\t') {
				i++
			}
			c = ' '
		}
		b.WriteByte(c)
	}
	return b.String()
}

// valueLimit bounds a value in text for people; JSON has the whole one.
const valueLimit = 90

// String names the key with what it lost and what it gained, in one line that is safe to show.
func (c Change) String() string {
	lost, gained := trimCommon(c.Key, c.Old, c.New)
	switch {
	case len(lost) == 0 && len(gained) == 0:
		return c.Key
	case len(lost) == 0:
		return fmt.Sprintf("%s: + %s", c.Key, bound(join(gained)))
	case len(gained) == 0:
		return fmt.Sprintf("%s: - %s", c.Key, bound(join(lost)))
	}
	a, b := elide(join(lost), join(gained))
	return fmt.Sprintf("%s: %s -> %s", c.Key, bound(a), bound(b))
}

// trimCommon leaves out the values that both lists begin and end with.
func trimCommon(key string, a, b []string) (_, _ []string) {
	for len(a) > 0 && len(b) > 0 && sameValue(key, a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && sameValue(key, a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

func join(values []string) string {
	out := slices.Clone(values)
	for i, v := range out {
		if v == "" {
			out[i] = `""`
		}
	}
	return storePath.ReplaceAllString(strings.Join(out, ", "), "store:$1-")
}

// storePath is shortened for people to the first 8 of its 32 digits.
var storePath = regexp.MustCompile(`/var/lib/fleet/store/([0-9a-f]{8})[0-9a-f]{24}-`)

// elide cuts a long common beginning, so that the difference is inside what is shown.
func elide(a, b string) (string, string) {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if max(len(a), len(b)) <= valueLimit || n <= valueLimit/3 {
		return a, b
	}
	n -= valueLimit / 3
	for n > 0 && !utf8.RuneStart(a[n]) {
		n--
	}
	return "..." + a[n:], "..." + b[n:]
}

func bound(text string) string {
	if runes := []rune(text); len(runes) > valueLimit {
		text = string(runes[:valueLimit]) + "..."
	}
	return report.Printable(text)
}
