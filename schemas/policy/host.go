package policy

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Limits of a name, RFC 1035.
const (
	maxName  = 253
	maxLabel = 63
	maxRaw   = 4 * (maxName + 1) // bytes that a name within the limit can have before it is brought to ASCII
)

// ErrHost tells that a text is no host that everybody would read alike.
var ErrHost = errors.New("host must be a DNS name or an IP address in the usual form")

// Host is a host in its canonical form: a name, or an address.
type Host struct {
	Name string     // lower case, ASCII, no dot at the end; "" where it is an address
	Addr netip.Addr // no zone, and IPv4 wherever it is an IPv4 address in IPv6
}

// String returns the name or the address.
func (h Host) String() string {
	if h.Name == "" && h.Addr.IsValid() {
		return h.Addr.String()
	}
	return h.Name
}

// ParseHost brings a host to its canonical form, which is also the only form to pass on. Accepted and brought to one:
// upper case, one dot at the end, Unicode and its ASCII form, an IPv6 address with or without brackets, IPv4 in IPv6.
// The error is always ErrHost: for whatever somebody else may read as another host, such as 127.1, 0x7f000001, a zone,
// a percent sign, an empty label or a sign that IDNA would have to map.
func ParseHost(s string) (Host, error) {
	if s == "" || len(s) > maxRaw {
		return Host{}, ErrHost
	}
	if strings.IndexByte(s, ':') >= 0 {
		return parseIPv6(s)
	}
	name := strings.TrimSuffix(s, ".")
	form := formOf(name)
	if form == wide {
		var err error
		if name, err = toASCII(name); err != nil {
			return Host{}, ErrHost
		}
		form = formOf(name)
	}
	switch {
	case form == upper:
		name = strings.ToLower(name)
	case form != lower:
		return Host{}, ErrHost
	}
	if strings.Contains(name, encoded) && !decodes(name) {
		return Host{}, ErrHost
	}
	return Host{Name: name}.orAddress(s)
}

// encoded begins a label that stands for one with letters outside ASCII.
const encoded = "xn--"

// decodes tells whether each encoded label of a name is what its letters are written as, and letters that toASCII takes.
func decodes(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if !strings.HasPrefix(label, encoded) {
			continue
		}
		letters, err := plain.ToUnicode(label)
		if err != nil {
			return false
		}
		if again, err := toASCII(letters); err != nil || again != label {
			return false
		}
	}
	return true
}

func parseIPv6(s string) (Host, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return Host{}, ErrHost
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return Host{}, ErrHost
	}
	return Host{Addr: a.Unmap()}, nil
}

// orAddress returns h, or the IPv4 address that its name is. A last label that is a number in decimal or hex makes
// some resolvers read an address, so that such a name is one, in its usual form, or refused.
func (h Host) orAddress(raw string) (Host, error) {
	last := h.Name[strings.LastIndexByte(h.Name, '.')+1:]
	if !numeric(last) {
		return h, nil
	}
	a, err := netip.ParseAddr(h.Name)
	if err != nil || len(raw) != len(h.Name) { // an address has no dot at its end
		return Host{}, ErrHost
	}
	return Host{Addr: a}, nil
}

func numeric(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	for i := range len(digits) {
		c := digits[i]
		if !isDigit(c) && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Forms of a name's text.
const (
	invalid = iota
	lower   // canonical
	upper   // with upper-case ASCII letters
	wide    // with letters outside ASCII
)

// formOf reads each byte once. Underscores are in use, so they are allowed; a hyphen at either end of a label is not.
func formOf(s string) int {
	form, label := lower, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			return wide
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return invalid
			}
			label = -1
		case c == '-' && label == 0:
			return invalid
		case c >= 'A' && c <= 'Z':
			form = upper
		case !isName(c):
			return invalid
		}
		if label++; label > maxLabel {
			return invalid
		}
	}
	if label == 0 || len(s) > maxName || s[len(s)-1] == '-' {
		return invalid
	}
	return form
}

func isName(c byte) bool  { return c >= 'a' && c <= 'z' || isDigit(c) || c == '-' || c == '_' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// plain and mapping bring a label to ASCII by IDNA 2008, with and without the mapping that browsers do before.
var (
	plain   = idna.New(idna.ValidateLabels(true), idna.CheckJoiners(true), idna.BidiRule(), idna.StrictDomainName(true))
	mapping = idna.Lookup
)

// toASCII brings the labels of a name with letters outside ASCII to their ASCII form. The signs that IDNA 2003 and
// browsers map to a dot, to nothing or to an ASCII letter are refused.
func toASCII(name string) (string, error) {
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if formOf(label) != wide {
			continue // the caller looks at the whole
		}
		low, err := lowerWide(label)
		if err != nil {
			return "", err
		}
		mapped, err := mapping.ToASCII(low)
		if err != nil {
			return "", err
		}
		if labels[i], err = plain.ToASCII(low); err != nil || labels[i] != mapped {
			return "", ErrHost // such as the sign for the letters fi together
		}
	}
	return strings.Join(labels, "."), nil
}

func lowerWide(label string) (string, error) {
	var b strings.Builder
	for _, c := range label {
		low := unicode.ToLower(c)
		known := unicode.In(c, unicode.Letter, unicode.Mark, unicode.Nd) || c == '-' || c == '_'
		if !known || c >= 0x80 && low < 0x80 { // such as the sign for kelvin, whose lower case is k
			return "", ErrHost
		}
		b.WriteRune(low)
	}
	return b.String(), nil
}
