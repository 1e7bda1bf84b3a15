package unit

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineLimit is the longest physical line that is written, in bytes: go-systemd's reader refuses longer ones, as POSIX'
// LINE_MAX has it. systemd itself takes 1 MiB.
const lineLimit = 2047

// wordLimit is the longest single argument or variable that Linux takes in execve(2): MAX_ARG_STRLEN, 32 pages.
const wordLimit = 32*4096 - 1

// isWord reports whether s is a word of systemd's own vocabulary, such as "@aio" or "200%".
func isWord(s string) bool { return onlyOf(strings.TrimSuffix(s, "%"), "@_~.:/+,=-") }

// unitKinds are the kinds of units that are written.
var unitKinds = []string{".service", ".socket", ".timer", ".target", ".slice"}

// isUnit reports whether s is the name of a unit.
func isUnit(s string) bool {
	kind := path.Ext(s)
	return slices.Contains(unitKinds, kind) && onlyOf(strings.TrimSuffix(s, kind), ":_.@-")
}

// isVariable reports whether s is the name of an environment variable.
func isVariable(s string) bool { return onlyOf(s, "_") && (s[0] < '0' || s[0] > '9') }

// isKey reports whether s is a directive's name: words of letters and digits with dashes between them, the first letter
// a capital one.
func isKey(s string) bool {
	return onlyOf(s, "-") && s[0] >= 'A' && s[0] <= 'Z' && !strings.HasSuffix(s, "-") && !strings.Contains(s, "--")
}

// bare reports whether s needs no quotes in a command line: it has no character that systemd.syntax(7) gives a meaning,
// and no first character that would begin a comment on a continued line.
func bare(s string) bool { return onlyOf(s, "_./:@=,+-") }

// onlyOf reports whether s is not empty and has nothing but ASCII letters, digits and the others. Every word of every
// unit is looked at, and a regular expression takes ten times as long.
func onlyOf(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

// checkText refuses what no unit file can hold. systemd ends a line at \n, \r and NUL; other control characters have no
// use in a value and would reach terminals.
func checkText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return fmt.Errorf("%q must be valid UTF-8", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q must hold no newline, NUL or other control character", s)
	}
	return nil
}

// checkLine refuses a right-hand side that systemd would not read back as it is: it strips white space at both ends and
// joins a line that ends in a backslash with the next one.
func checkLine(s string) error {
	if err := checkText(s); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%q must not begin or end with a space", s)
	case strings.HasSuffix(s, `\`):
		return fmt.Errorf("%q must not end with a backslash, which would swallow the next line", s)
	}
	return nil
}

// specifiers doubles the percent signs, see "Specifiers" in systemd.unit(5).
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// text is a value that systemd does not split into words, such as Description=.
func text(s string) (string, error) { return specifiers(s), checkLine(s) }

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%")

// quoted is one word inside double quotes, for values that systemd unquotes and in which it replaces specifiers.
func quoted(s string) (string, error) {
	if len(s) > wordLimit {
		return "", fmt.Errorf("a value of %d bytes must have at most %d", len(s), wordLimit)
	}
	return `"` + escapes.Replace(s) + `"`, checkText(s)
}

// argument is one word of a command line, in which systemd replaces $VARIABLES besides.
func argument(s string) (string, error) {
	if bare(s) && len(s) <= wordLimit {
		return s, nil
	}
	q, err := quoted(s)
	return strings.ReplaceAll(q, "$", "$$"), err
}

// program is the first word of a command line: systemd reads prefixes from it, so that nothing but plain paths is
// taken.
func program(s string) (string, error) {
	if !bare(s) || !cleanPath(s) {
		return "", fmt.Errorf("program %q must be an absolute path of plain characters", s)
	}
	return s, nil
}

// variable is an assignment for Environment=, in which a dollar sign has no meaning.
func variable(name, value string) (string, error) {
	if !isVariable(name) {
		return "", fmt.Errorf("variable name %q must be letters, digits and underscores and begin with no digit", name)
	}
	return quoted(name + "=" + value)
}

func cleanPath(s string) bool { return path.IsAbs(s) && path.Clean(s) == s }

// filePath is an absolute path for a directive that takes one path and does not unquote it.
func filePath(s string) (string, error) {
	if err := checkPath(s); err != nil {
		return "", err
	}
	return text(s)
}

func checkPath(s string) error {
	if !cleanPath(s) {
		return fmt.Errorf("path %q must be absolute and clean", s)
	}
	return checkLine(s)
}

// bindPath is an absolute path for BindPaths= and its like, which split at colons and white space, take a first "-" for
// "where it exists" and differ between releases in what they unescape.
func bindPath(s string) (string, error) {
	if err := checkPath(s); err != nil {
		return "", err
	}
	if i := strings.IndexAny(s, `:"'\`); i >= 0 {
		return "", fmt.Errorf("path %q must hold no %q, which systemd would take for syntax", s, s[i])
	}
	if strings.ContainsFunc(s, unicode.IsSpace) {
		return `"` + specifiers(s) + `"`, nil
	}
	return specifiers(s), nil
}
