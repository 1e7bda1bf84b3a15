package policy_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"fleet/schemas/policy"
)

// E17 and F6: one canonical path, or none.
func TestParsePath(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "/a/b": "/a/b", "/a/": "/a/", "/...": "/...", "/.a": "/.a", "/a.": "/a.", "/a..b": "/a..b",
		"/%61": "/a", "/a%2Eb": "/a.b", "/%7euser": "/~user", "/%40scope": "/@scope", "/a%2Bb": "/a+b",
		"/a%20b": "/a%20b", "/%c3%bc": "/%C3%BC", "/%c3%BC%61": "/%C3%BCa", "/a:b,c=d(e)!'*$&": "/a:b,c=d(e)!'*$&",
		"/a?b=/../%2f;//": "/a?b=/../%2f;//", "/%61?%61": "/a?%61", "/a?": "/a?", "/%7b": "/%7B",
		"": "", "a": "", "*": "", "http://a/b": "", "?a": "",
		"//": "", "//a": "", "/a//b": "", "/a//": "", "/.": "", "/..": "", "/./a": "", "/a/.": "", "/a/..": "", "/a/../b": "",
		"/%2e": "", "/%2e%2e/a": "", "/a/.%2E": "", "/%2f": "", "/a%2Fb": "", "/a%5cb": "", `/a\b`: "", "/a;b": "", "/a%3bb": "",
		"/..;/a": "", "/a%00": "", "/a%0a": "", "/a%7f": "", "/a%252e": "", "/%25": "", "/a%3f": "", "/a%23": "", "/a#b": "",
		"/a b": "", "/a\tb": "", "/a\x00": "", "/a\x7f": "", "/ü": "", "/%": "", "/%6": "", "/%zz": "", "/%u002e": "",
		"/%c0%af": "", "/%c0%ae": "", "/%ff": "", "/%c3": "", "/a|b": "", "/a\"": "", "/<a>": "", "/[a]": "", "/{a}": "", "/a^`": "",
		"/a?b c": "", "/a?b#c": "", "/a?\x00": "", "/a?ü": "", "/" + strings.Repeat("a", 40000): "",
	} {
		got, err := policy.ParsePath(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.80q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

// FuzzParsePath: a canonical path is its own canonical form, means to net/url what the raw one meant, and path.Clean
// finds nothing in it.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/a/%7e?b", "/%2e%2e/", "/%c3%bc", "/a//b", "/a/..;/b", "/%C0%AF"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := policy.ParsePath(s)
		if err != nil {
			return
		}
		if again, err := policy.ParsePath(got); err != nil || again != got {
			t.Errorf("%q gives %q, that gives %q, %v", s, got, again, err)
		}
		raw, err1 := url.ParseRequestURI(s)
		canonical, err2 := url.ParseRequestURI(got)
		if err1 != nil || err2 != nil || raw.Path != canonical.Path || raw.RawQuery != canonical.RawQuery {
			t.Fatalf("%q gives %q: %v, %v", s, got, err1, err2)
		}
		if clean := path.Clean(canonical.Path); clean != canonical.Path && clean+"/" != canonical.Path {
			t.Errorf("%q gives %q, which can be cleaned to %q", s, got, clean)
		}
	})
}

func TestMethodOK(t *testing.T) {
	for _, m := range []string{"GET", "M-SEARCH", "UPDATEREDIRECTREF"} {
		if !policy.MethodOK(m) {
			t.Errorf("%s is refused", m)
		}
	}
	for _, m := range []string{"", "get", "GET ", "CONNECT", "TRACE", "PRI", "G\x00T", "GÉT", "G_T", strings.Repeat("A", 33)} {
		if policy.MethodOK(m) {
			t.Errorf("%q is allowed", m)
		}
	}
}

func TestCheckPathPattern(t *testing.T) {
	for in, want := range map[string]string{
		"/": "", "/a": "", "/a/": "", "/*": "", "/a/*": "", "/a%20b/*": "",
		"": "path", "a": "path", "*": "path", "/a*": "no star", "/*/a": "no star", "/a/**": "no star", "/a?b": "no query",
		"/a/../*": "dot segments", "/%61/*": "canonical", "/%61": "canonical", "//*": "empty ones", "/a;b": "semicolon",
		"/" + strings.Repeat("a", 2000): "at most",
	} {
		err := policy.CheckPathPattern(in)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: got %v, want %q", in, err, want)
		}
	}
}
