package scrub

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	htmltemplate "html/template"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const (
	value    = "sk-ant-api03-R4nd0m+Value/With=Signs&\"Quotes'\\<\u00fc>"
	instead  = "sk-ant-fleet-placeholder-ANTHROPIC_API_KEY-0123456789abcdef"
	previous = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
)

func scrubber() *Scrubber {
	return New([]Secret{{[]byte(value), instead}, {[]byte(previous), "ghp_fleet-placeholder-GH_TOKEN-0123"}})
}

func asJSON(s string, escape bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escape)
	e.Encode(s)
	return strings.Trim(b.String(), "\"\n")
}

// F1, F2, F4: each form of a value goes, whatever is around it, and what takes its place has as many bytes.
func TestCATF4Forms(t *testing.T) {
	s := scrubber()
	for _, v := range []string{value, previous} {
		for name, text := range map[string]string{
			"raw":             v,
			"query":           url.QueryEscape(v),
			"query, lower":    regexp.MustCompile("%..").ReplaceAllStringFunc(url.QueryEscape(v), strings.ToLower),
			"path":            url.PathEscape(v),
			"JSON":            asJSON(v, false),
			"JSON, HTML-safe": asJSON(v, true),
			"JSON, slashes":   strings.ReplaceAll(asJSON(v, false), "/", `\/`),
			"HTML":            html.EscapeString(v),
			"HTML of Go":      htmltemplate.HTMLEscapeString(v),
			"Basic 0":         base64.StdEncoding.EncodeToString([]byte("use:" + v + "x")[1:]),
			"Basic 1":         base64.StdEncoding.EncodeToString([]byte("user:" + v)),
			"Basic 2":         base64.StdEncoding.EncodeToString([]byte("users:" + v)),
			"Basic 3":         base64.StdEncoding.EncodeToString([]byte("a_user:" + v + "more")),
			"URL 0":           base64.RawURLEncoding.EncodeToString([]byte(v)),
			"URL 1":           base64.URLEncoding.EncodeToString([]byte("4" + v)),
			"URL 2":           base64.URLEncoding.EncodeToString([]byte("22" + v)),
			"Basic in a URL":  url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("u:" + v))),
			"Basic in JSON":   strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte("u:"+v)), "/", `\/`),
		} {
			in := "before " + text + " behind"
			got := s.Text(in)
			if len(got) != len(in) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " behind") || got == in {
				t.Errorf("%s: %q became %q", name, in, got)
			}
			if left := longestCommon(got, text); left > len(text)/2 {
				t.Errorf("%s: %q still has %d bytes of %q", name, got, left, text)
			}
		}
	}
}

// longestCommon is the length of the longest run of bytes that is in both texts.
func longestCommon(a, b string) (n int) {
	for i := range a {
		for n < len(a)-i && strings.Contains(b, a[i:i+n+1]) {
			n++
		}
	}
	return n
}

// What was base64 or JSON stays so, and whoever decodes it finds the placeholder.
func TestPlaceholderInPlace(t *testing.T) {
	s := scrubber()
	for _, user := range []string{"", "a", "ab", "abc"} {
		in := base64.StdEncoding.EncodeToString([]byte(user + previous + "\n"))
		out, err := base64.StdEncoding.DecodeString(s.Text(in))
		if err != nil || !bytes.Contains(out, []byte("fleet-placeholder-GH_TOKEN")) || bytes.Contains(out, []byte(previous[8:20])) {
			t.Errorf("%q: %q, %v", user, out, err)
		}
	}
	var got string
	if err := json.Unmarshal([]byte(s.Text(`"`+asJSON(value, true)+`"`)), &got); err != nil || !strings.HasPrefix(got, instead[:20]) {
		t.Errorf("%q, %v", got, err)
	}
	if got := s.Text(previous); got != "ghp_fleet-placeholder-GH_TOKEN-0123xxxxx"[:len(previous)] && len(got) != len(previous) {
		t.Errorf("%q", got)
	}
}

func TestHeader(t *testing.T) {
	s := scrubber()
	name := http.CanonicalHeaderKey("X-" + previous)
	h := http.Header{
		"Location": {"https://a.test/?k=" + url.QueryEscape(value)}, "Set-Cookie": {"a=1", "k=" + previous + "; Path=/"},
		"X-Other": {"nothing"}, name: {"1"},
	}
	s.Header(h)
	text := strings.Join(append(h["Location"], h["Set-Cookie"]...), " ")
	if strings.Contains(text, previous) || strings.Contains(text, url.QueryEscape(value)) || !strings.Contains(text, "; Path=/") {
		t.Errorf("%q", text)
	}
	if d := cmp.Diff([]string{"nothing"}, h["X-Other"]); d != "" || h[name] != nil {
		t.Errorf("%v", h)
	}
}

// A replacement next to other bytes does not make a value anew.
func TestApart(t *testing.T) {
	s := New([]Secret{{[]byte("abcabcab"), "bcabcabcabcabcabcabcabc"}})
	for _, in := range []string{"abcabcabcabcab", "ababcabcabcabcab", "abcabcababcabcab"} {
		out := s.Text(in)
		if again := s.Text(out); again != out {
			t.Errorf("%q became %q, in which there is a value: %q", in, out, again)
		}
	}
}

func read(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// cuts reads parts whose lengths are the bytes of a text, over and over.
type cuts struct {
	r    io.Reader
	each string
	n    int
}

func (c *cuts) Read(b []byte) (int, error) {
	size := 1
	if len(c.each) > 0 {
		size = 1 + int(c.each[c.n%len(c.each)])
		c.n++
	}
	return c.r.Read(b[:min(len(b), size)])
}

// FuzzReader: however an answer is cut into reads, the same comes out as of one piece; no form of the value is in it, and
// it has as many bytes.
func FuzzReader(f *testing.F) {
	f.Add(previous, "a "+previous+" b "+base64.StdEncoding.EncodeToString([]byte("u:"+previous)), "\x03\x05")
	f.Add("0123456789", "01234567890123456789 0123456789", "\x00")
	f.Add(value, "x"+url.QueryEscape(value)+asJSON(value, true), "\x09\x00\x00")
	f.Add("abcabcabc", "abcabcabcabcabcababcabcabcabcabc", "\x00\x01")
	f.Fuzz(func(t *testing.T, value, text, each string) {
		if len(value) < 8 || len(value) > 200 || strings.Contains(instead, value) {
			return
		}
		s := New([]Secret{{[]byte(value), instead}, {[]byte(previous), instead}})
		for _, in := range []string{text, text + value + text, value + value[1:] + text + value[:len(value)-1] + value} {
			want := s.Text(in)
			if len(want) != len(in) {
				t.Fatalf("%d bytes became %d", len(in), len(want))
			}
			if got := read(t, s.Reader(&cuts{r: strings.NewReader(in), each: each})); got != want {
				t.Fatalf("cut: got %q, want %q", got, want)
			}
			if got := read(t, s.Reader(iotest.OneByteReader(strings.NewReader(in)))); got != want {
				t.Fatalf("by bytes: got %q, want %q", got, want)
			}
			all := len(formsOf([]byte(value), instead)) // apart gives up where a value has all the letters that it could use
			if s.set.InString(want) >= 0 && all < 10 {
				t.Fatalf("%q is left in %q", value, want)
			}
			if strings.Contains(want, value) && strings.ContainsAny(value, "\x00") == false && !strings.Contains(value, "*") {
				t.Fatalf("%q is left in %q", value, want)
			}
		}
	})
}

// zeros is a stream without end, of a text over and over.
type endless struct {
	text []byte
	at   int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		c := copy(b[n:], e.text[e.at:])
		n, e.at = n+c, (e.at+c)%len(e.text)
	}
	return n, nil
}

// Bulk, by what an answer may be: the throughput is to be some times that of TLS.
func BenchmarkReader(b *testing.B) {
	random := make([]byte, 1<<20)
	state := uint64(1)
	for i := range random {
		state = state*6364136223846793005 + 1442695040888963407
		random[i] = byte(state >> 56)
	}
	text := bytes.Repeat([]byte(`{"id": 42, "name": "sk-ant, a name", "text": "The quick brown fox jumps over the lazy dog"},`+"\n"), 10_000)
	eight := New([]Secret{{[]byte("8bytes!!"), instead}, {[]byte("8letters"), instead}})
	var many []Secret
	for i := range 20 {
		many = append(many, Secret{[]byte(strings.Repeat(string(rune('a'+i)), 30) + previous), instead})
	}
	for name, c := range map[string]struct {
		s    *Scrubber
		data []byte
	}{
		"random": {scrubber(), random}, "text": {scrubber(), text}, "short/random": {eight, random}, "short/text": {eight, text},
		"many/random": {New(many), random}, "many/text": {New(many), text},
	} {
		b.Run(name, func(b *testing.B) {
			const n = 64 << 10
			buf := make([]byte, n)
			r := c.s.Reader(&endless{text: c.data})
			b.SetBytes(n)
			for b.Loop() {
				if _, err := io.ReadFull(r, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
