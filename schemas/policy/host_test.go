package policy_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"fleet/schemas/policy"
)

func TestParseHost(t *testing.T) {
	long := strings.Repeat("a.", 126) + "a" // 253 characters
	for in, want := range map[string]string{
		"Origin.TEST": "origin.test", "origin.test.": "origin.test", "localhost": "localhost",
		"_dmarc.x.test": "_dmarc.x.test", "r3---sn-a.test": "r3---sn-a.test", "1.x": "1.x", "0x7g": "0x7g",
		"bücher.test": "xn--bcher-kva.test", "BÜCHER.test.": "xn--bcher-kva.test", "straße.test": "xn--strae-oqa.test",
		"bu\u0308cher.test": "xn--bcher-kva.test", long: long, long + ".": long,
		"xn--bcher-kva.test": "xn--bcher-kva.test", "XN--BCHER-KVA.test": "xn--bcher-kva.test", "ok.xn--p1ai": "ok.xn--p1ai",
		"xn--.test": "", "xn--a.test": "", "xn--a-.test": "", "xn--abc-.test": "",
		"xn--i-7iq.test": "", "xn--bcher-kva9999999.test": "", "xn--BCHER-kva-.test": "", "a.xn--ls8h.test": "",
		"xn--ab-5da.test": "", "xn--ab-m1t.test": "",
		"10.0.0.1": "10.0.0.1", "::1": "::1", "[FD00:0:0::1]": "fd00::1", "::ffff:10.0.0.1": "10.0.0.1",
		"": "", ".": "", "a..b": "", ".a": "", "a..": "", "-a": "", "a-": "", "a-.b": "", "a.-b": "",
		"a b": "", "a\tb": "", "a\x00b": "", "a%00b": "", "a/b": "", "a\\b": "", "a@b": "", "a,b": "", "a\x7fb": "",
		long + "a": "", strings.Repeat("a", 64): "", strings.Repeat("ü", 1000): "", strings.Repeat("ü", 60): "",
		"127.1": "", "0177.0.0.1": "", "0x7f.0.0.1": "", "0X7F.0.0.1": "", "2130706433": "", "0x": "", "a.0x": "", "1.2.3.4.5": "",
		"256.0.0.1": "", "1.2.3.4.": "", "[1.2.3.4]": "", "[::1": "", "::1]": "", "[]": "", "fe80::1%1": "", "a:443": "",
		"a\u3002b": "", "a\uff0eb": "", "a\u00adb": "", "a\u200db": "", "a\u200bb": "", "\ufb01.test": "", "\uff41.test": "",
		"\u2460.test": "", "\u212a.test": "", "\u0130.test": "", "\u202ea.test": "", "\xff.test": "", "a\u2044b.test": "",
	} {
		h, err := policy.ParseHost(in)
		if got := h.String(); got != want || (err != nil) != (want == "") {
			t.Errorf("%.80q: got %.80q, %v, want %.80q", in, got, err, want)
		}
		if err != nil && !errors.Is(err, policy.ErrHost) {
			t.Errorf("%.80q: error %v", in, err)
		}
	}
}

// FuzzParseHost: a canonical form is of plain letters and its own canonical form, and no name that it returns is read
// as an address by anybody.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"a.b", "BÜCHER.de.", "[::ffff:1.2.3.4]", "0x7f.1", "xn--a.b", "a。b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := policy.ParseHost(s)
		if err != nil {
			return
		}
		again, err := policy.ParseHost(h.String())
		if err != nil || again != h {
			t.Errorf("%q gives %v, that gives %v, %v", s, h, again, err)
		}
		if h.Name == "" == !h.Addr.IsValid() || h.Addr.Is4In6() || h.Addr.Zone() != "" {
			t.Errorf("%q gives %+v", s, h)
		}
		if _, err := netip.ParseAddr(h.Name); err == nil || strings.Trim(h.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%q gives name %q", s, h.Name)
		}
	})
}

// C1 and C2.
func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"a.test:443": "a.test 443", "A.test.:1": "a.test 1", "[::1]:65535": "::1 65535", "1.2.3.4:80": "1.2.3.4 80",
		"a.test": "", "a.test:": "", ":443": "", "": "", ":": "", "a.test:0": "", "a.test:65536": "", "a.test:-1": "",
		"a.test:+443": "", "a.test:0443": "", "a.test: 443": "", "a.test:443 ": "", "a.test:4a": "", "a.test:99999": "",
		"a.test:000443": "", "::1:443": "", "[::1]": "", "[::1]443": "", "[::1:443": "", "u@a.test:443": "", "a.test:443:443": "",
		"[::1]:443:1": "", "http://a.test:443": "",
	} {
		got := ""
		if h, port, err := policy.ParseTarget(in); err == nil {
			got = h.String() + " " + netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0:"):]
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A7 and A8: what is wrong with the host of a rule, and the right spelling.
func TestCheckPattern(t *testing.T) {
	for in, want := range map[string]string{
		"a.test": "", "*.a.test": "", "localhost": "", "10.0.0.1": "", "fd00::1": "", "_a.test": "",
		"":                 "must not be empty | api.example.com",
		"*":                "every host | mode report",
		"*.com":            "top-level domain | api.example.com",
		"*x.com":           "but at its beginning | *.example.com",
		"x.*":              "but at its beginning | *.example.com",
		"*.*.com":          "but at its beginning | *.example.com",
		"**.a.test":        "but at its beginning | *.example.com",
		"*.":               "must not be empty | api.example.com",
		"*.10.0.0.1":       "over addresses | each address",
		"https://a.test":   "no scheme | the host alone",
		"a.test/x":         "no path | paths",
		"a.test:443":       "host name | port in ports",
		"A.test":           `canonical form | write "a.test"`,
		"*.A.test":         `canonical form | write "*.a.test"`,
		"a.test.":          `canonical form | write "a.test"`,
		"bücher.test":      `canonical form | write "xn--bcher-kva.test"`,
		"[fd00::1]":        `canonical form | write "fd00::1"`,
		"::ffff:10.0.0.1":  `canonical form | write "10.0.0.1"`,
		"a test":           "host name | letters",
		"127.1":            "host name | letters",
		"a.test\nb":        "host name | letters",
		"10.0.0.0/8":       "no path | host alone",
		"user@origin.test": "host name | letters",
	} {
		err := policy.CheckPattern(in)
		var p *policy.PatternError
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		message, hint, _ := strings.Cut(want, " | ")
		if !errors.As(err, &p) || !strings.Contains(p.Message, message) || !strings.Contains(p.Hint, hint) {
			t.Errorf("%q: got %+v, want %s", in, p, want)
		}
	}
}
