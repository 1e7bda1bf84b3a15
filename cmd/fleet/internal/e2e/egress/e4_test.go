//go:build machine

package egress

import (
	"fmt"
	"testing"
)

// forward asks for a page of a host by the proxy.
func forward(host string) func(*agent) error {
	return func(a *agent) error {
		return a.say(a.proxy, fmt.Sprintf("GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", host, host))
	}
}

// by tries a host in each way that there is.
func by(reason, host string) []attempt {
	return []attempt{
		{"by name " + host, dial(host + ":443"), reason, ""},
		{"by name and HTTP " + host, dial(host + ":80"), reason, ""},
		{"CONNECT " + host, connect(host + ":443"), reason, ""},
		{"forward " + host, forward(host), reason, ""},
	}
}

// E4, A1, A4, A5: a host that is not listed, a sub-domain of an exact rule, the apex of a wildcard, a name that ends or
// begins as a listed one. A13: the deny list wins. A15 is TestCATA15EmptyList.
func TestEGRE4Hosts(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, a *agent) {
		var group []attempt
		for _, host := range []string{"evil.test", "sub.web.test", "notweb.test", "web.test.evil.test", "wild.test", "xwild.test", "test"} {
			group = append(group, by("host-not-listed", host)...)
		}
		a.blocked(together(group, by("denied", "bad.wild.test")))
		for _, host := range []string{"x.wild.test", "a.b.wild.test"} { // A6: at any depth
			a.must(order{Script: "curl -sS https://" + host + "/", Plain: true}, "origin "+host)
			a.must(order{Script: "curl -sS http://" + host + "/"}, "origin "+host)
		}
	})
}

// A2, A3, A9, A10, A11: forms of a name.
func TestCATANames(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, a *agent) {
		for _, host := range []string{"WEB.Test", "web.test.", "bücher.test", "xn--bcher-kva.test", "BÜCHER.test"} {
			a.must(order{Script: "curl -sS http://" + host + "/"}, "origin ")
			a.must(order{Script: "curl -sS https://" + host + "/", Plain: true}, "origin ")
		}
		bad := "bad-host|malformed" // no head has letters outside ASCII
		a.blocked(together(
			named(bad, "CONNECT", []string{
				"web.test..:443", ".web.test:443", "web..test:443", "web。test:443", "we\u00adb.test:443", "we\u200db.test:443", // A3, A10
				"-web.test:443", "web-.test:443", label64 + ".test:443", longName + ":443", "ⓦeb.test:443", "web.test%00.evil.test:443",
				"xn--a:443", "xn--web-.test:443",
			}, func(a *agent, in string) error { return connect(in)(a) }),
			named(bad, "forward", []string{"web..test", "web。test", label64 + ".test"}, func(a *agent, in string) error { return forward(in)(a) }),
			[]attempt{
				{"Cyrillic", connect("xn--wb-nlc.test:443"), "host-not-listed", ""}, // A9: a homograph is another name
				{"underscore", connect("_x._y.evil.test:443"), "host-not-listed", ""},
				{"63 letters", connect(label64[1:] + ".test:443"), "host-not-listed", ""},
				{"all digits", connect("evil.12345.test:443"), "host-not-listed", ""},
				{"number at its end", connect("web.test.1:443"), bad, ""},
			},
		))
	})
}

const label64 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

var longName = label64[:60] + "." + label64[:60] + "." + label64[:60] + "." + label64[:60] + "." + label64[:20] + ".test"
