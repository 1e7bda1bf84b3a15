package policy

import (
	"fmt"
	"strings"
)

// PatternError tells why a text cannot be the host of a rule.
type PatternError struct {
	Message string // what must hold
	Hint    string // the remedy, the right spelling where there is one
}

// Error returns the message.
func (e *PatternError) Error() string { return e.Message }

func badPattern(hint, format string, args ...any) error {
	return &PatternError{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// CheckPattern tells whether s may be the host of a rule: a name or an address in canonical form, or "*." and a name
// of at least two labels. The error is a *PatternError. Whether an address may be listed is not its business.
func CheckPattern(s string) error {
	if name, ok := strings.CutPrefix(s, "*."); ok {
		return checkWildcard(s, name)
	}
	return checkExact(s, "")
}

func checkWildcard(s, name string) error {
	if err := checkExact(name, "*."); err != nil {
		return err
	}
	if h, _ := ParseHost(name); h.Name == "" {
		return badPattern("list each address", "%q must not be a wildcard over addresses", s)
	}
	if !strings.Contains(name, ".") {
		return badPattern("list the hosts that are needed, such as \"api.example."+name+"\"",
			"%q must not be a wildcard over a whole top-level domain", s)
	}
	return nil
}

func checkExact(s, wildcard string) error {
	shown := wildcard + s
	switch {
	case s == "":
		return badPattern("write a name such as \"api.example.com\"", "host must not be empty")
	case s == "*":
		return badPattern("list the hosts that are needed; mode report tells which", "%q must not stand for every host", shown)
	case strings.Contains(s, "://"):
		return badPattern("write the host alone, the ports in ports and the paths in paths", "%q must have no scheme", shown)
	case strings.Contains(s, "*"):
		return badPattern("a wildcard is \"*.\" and a name, such as \"*.example.com\"",
			"%q must have no wildcard but at its beginning", shown)
	case strings.Contains(s, "/"):
		return badPattern("write the host alone and the paths in paths", "%q must have no path", shown)
	}
	h, err := ParseHost(s)
	if err != nil {
		hint := "a name has letters, digits, hyphens and dots; an address is written as 192.168.0.1 or fd00::1"
		if _, _, err := ParseTarget(s); err == nil {
			hint = "write the host alone and the port in ports"
		}
		return badPattern(hint, "%q must be a host name", shown)
	}
	if h.String() != s {
		return badPattern(fmt.Sprintf("write %q", wildcard+h.String()), "%q must be in its canonical form", shown)
	}
	return nil
}

// CheckPathPattern tells whether s may be one of a rule's paths: a canonical path, or one up to a slash and "*". The
// error is a *PatternError.
func CheckPathPattern(s string) error {
	path, below := strings.CutSuffix(s, "/*")
	if below {
		path += "/"
	}
	canonical, err := ParsePath(path)
	switch {
	case err != nil:
		return badPattern("write a path such as \"/v1/messages\" or \"/repos/me/*\"", "path %q: %v", s, ErrPath)
	case strings.ContainsAny(path, "*?"):
		return badPattern("\"/a/*\" stands for all paths below /a", "path %q must have no query and no star but after its last slash", s)
	case canonical != path && below:
		return badPattern(fmt.Sprintf("write %q", canonical+"*"), "path %q must be in its canonical form", s)
	case canonical != path:
		return badPattern(fmt.Sprintf("write %q", canonical), "path %q must be in its canonical form", s)
	case len(s) > maxPattern:
		return badPattern("", "path must have at most %d bytes", maxPattern)
	}
	return nil
}

// maxPattern bounds a path of a rule.
const maxPattern = 1 << 10
