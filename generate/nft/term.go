package nft

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quotedLimit is the kernel's NF_LOG_PREFIXLEN without the terminator.
const quotedLimit = 127

var (
	wordRe = regexp.MustCompile(`^(?:[a-z][a-z0-9_-]*|[0-9]+(?:\.[0-9]+){3}/[0-9]+|::1|[0-9a-f:]*::/[0-9]+|[0-9]+(?:/minute)?|[!=]=|[.&|(){},])$`)
	nameRe = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// Term is one piece of a rule or element. Only the functions below make one, and none lets a value become grammar.
type Term struct {
	text string
	err  error
}

// Words is grammar that the source of this package writes out: keywords, addresses and operators, split at spaces.
func Words(s string) Term {
	for w := range strings.FieldsSeq(s) {
		if !wordRe.MatchString(w) {
			return Term{err: fmt.Errorf("nft word %q is not a keyword, number or operator", w)}
		}
	}
	return Term{text: strings.Join(strings.Fields(s), " ")}
}

// Num is a number of 32 bits.
func Num(n int) Term { return Range(n, n) }

// Range is a range of numbers of 32 bits, ends included.
func Range(from, to int) Term {
	const most = 1<<32 - 2 // the last one is (uid_t)-1, nobody's
	if from < 0 || to < from || to > most {
		return Term{err: fmt.Errorf("nft range %d-%d must rise and lie within 0-%d", from, to, most)}
	}
	if from == to {
		return Term{text: strconv.Itoa(from)}
	}
	return Term{text: fmt.Sprintf("%d-%d", from, to)}
}

// Ports is a range of ports, ends included.
func Ports(from, to int) Term {
	if from < 1 || to > 65535 {
		return Term{err: fmt.Errorf("nft ports %d-%d must lie within 1-65535", from, to)}
	}
	return Range(from, to)
}

// Addr is an IPv4 address.
func Addr(a netip.Addr) Term {
	if !a.Is4() {
		return Term{err: fmt.Errorf("nft address %q must be of IPv4", a)}
	}
	return Term{text: a.String()}
}

// Name is the name of a chain or a word after goto.
func Name(s string) Term { return Term{text: s, err: checkName(s)} }

// Ref refers to a set or map.
func Ref(s string) Term { return Term{text: "@" + s, err: checkName(s)} }

// Quote is a quoted string. nft knows no escapes within quotes, so what would need one is refused.
func Quote(s string) Term {
	if len(s) > quotedLimit {
		return Term{err: fmt.Errorf("nft string %q must be at most %d bytes", s, quotedLimit)}
	}
	if strings.ContainsAny(s, `"\*`) {
		return Term{err: fmt.Errorf(`nft string %q must not have ", \ or *`, s)}
	}
	return Term{text: `"` + s + `"`, err: checkText(s)}
}

func checkName(s string) error {
	if !nameRe.MatchString(s) {
		return fmt.Errorf("nft name %q must match %s", s, nameRe)
	}
	return nil
}

// checkText refuses what could end a line or hide text from a reader.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("nft text %q must be UTF-8", s)
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return fmt.Errorf("nft text %q must not have control or format characters", s)
		}
	}
	return nil
}

// checkNote refuses what a comment cannot hold. A backslash at the end of a line would join it with the next.
func checkNote(s string) error {
	if strings.Contains(s, `\`) {
		return fmt.Errorf(`nft comment %q must not have \`, s)
	}
	return checkText(s)
}
