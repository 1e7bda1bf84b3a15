package head

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(s string) (*Request, error) { return Read(bufio.NewReaderSize(strings.NewReader(s), 16)) }

func TestRead(t *testing.T) {
	in := "POST http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\nX-one:\t1 \r\nx-ONE: two words\r\nContent-Length: 3\r\n\r\nabcGET"
	r := bufio.NewReader(strings.NewReader(in))
	got, err := Read(r)
	if err != nil {
		t.Fatal(err)
	}
	want := &Request{
		Method: "POST", Target: "http://a.test/x?y", Minor: 1, Host: "a.test", Length: 3,
		Header: http.Header{"Host": {"a.test"}, "X-One": {"1", "two words"}, "Content-Length": {"3"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "abcGET" {
		t.Errorf("left %q", rest)
	}
}

// EGR-E16, EGR-C6, C7, C10, C12, EGR-E1 of the catalogue: what has two readings is refused.
func TestE16Refuses(t *testing.T) {
	get := func(fields string) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }
	for name, c := range map[string]struct {
		in     string
		status int
	}{
		"CL and TE":           {get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
		"TE and CL":           {get("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), 400},
		"two CL":              {get("Content-Length: 1\r\nContent-Length: 2\r\n"), 400},
		"twice the same CL":   {get("Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
		"a list as CL":        {get("Content-Length: 1, 1\r\n"), 400},
		"CL +1":               {get("Content-Length: +1\r\n"), 400},
		"CL -1":               {get("Content-Length: -1\r\n"), 400},
		"CL 0x1":              {get("Content-Length: 0x1\r\n"), 400},
		"CL 1_0":              {get("Content-Length: 1_0\r\n"), 400},
		"CL empty":            {get("Content-Length:\r\n"), 400},
		"CL too large":        {get("Content-Length: 99999999999999999999\r\n"), 400},
		"CL many zeros":       {get("Content-Length: 0000000000000000000001\r\n"), 400},
		"two TE":              {get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
		"TE xchunked":         {get("Transfer-Encoding: xchunked\r\n"), 501},
		"TE list":             {get("Transfer-Encoding: gzip, chunked\r\n"), 501},
		"TE with HTTP/1.0":    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		"space before colon":  {get("Transfer-Encoding : chunked\r\n"), 400},
		"obs-fold":            {get("X: a\r\n b\r\n"), 400},
		"folded first field":  {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		"bare LF":             {"GET / HTTP/1.1\nHost: a\n\n", 400},
		"bare LF in the end":  {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		"bare CR":             {get("X: a\rb\r\n"), 400},
		"bare CR in the line": {"GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"NUL":                 {get("X: a\x00b\r\n"), 400},
		"no colon":            {get("X\r\n"), 400},
		"no name":             {get(": x\r\n"), 400},
		"name in brackets":    {get("(X): x\r\n"), 400},
		"two Host":            {get("Host: a\r\n"), 400},
		"no Host":             {"GET / HTTP/1.1\r\n\r\n", 400},
		"HTTP/0.9":            {"GET /\r\n\r\n", 505},
		"HTTP/2 preface":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"HTTP/1.2":            {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
		"lower case http":     {"GET / http/1.1\r\nHost: a\r\n\r\n", 505},
		"three spaces":        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"tab":                 {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"UTF-8 in the target": {"GET /ü HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"space at the end":    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
		"empty line first":    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"a long field":        {get("X: " + strings.Repeat("a", MaxBytes) + "\r\n"), 431},
		"a line without end":  {strings.Repeat("a", 1<<20), 431},
		"many fields":         {get(strings.Repeat("X: a\r\n", MaxFields)), 431},
		"TLS":                 {"\x16\x03\x01\x00\x05\x01\n", 400},
	} {
		_, err := read(c.in)
		var e *Error
		if !errors.As(err, &e) || e.Status != c.status {
			t.Errorf("%s: got %v, want %d", name, err, c.status)
		}
	}
	if _, err := read(""); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: got %v", err)
	}
	if _, err := read("GET / HT"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: got %v", err)
	}
}

func TestStrip(t *testing.T) {
	h := http.Header{
		"Connection": {"close, X-Secret", "upgrade"}, "X-Secret": {"1"}, "Upgrade": {"h2c"}, "Http2-Settings": {"x"},
		"Proxy-Authorization": {"x"}, "X-Forwarded-For": {"1.2.3.4"}, "Te": {"trailers"}, "Accept": {"*/*"}, "Via": {"x"},
	}
	Strip(h)
	if d := cmp.Diff(http.Header{"Accept": {"*/*"}}, h); d != "" {
		t.Error(d)
	}
}

// FuzzRead holds the reader against net/http: what passes here, is read alike there.
func FuzzRead(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	f.Add("POST http://a.test/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := read(in)
		if err != nil || got.Method == "CONNECT" {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
		if err != nil {
			return // stricter in targets, which the policy looks at
		}
		chunked := len(want.TransferEncoding) > 0
		if want.Method != got.Method || want.RequestURI != got.Target || chunked != (got.Length == Chunked) ||
			!chunked && want.ContentLength != got.Length {
			t.Errorf("got %+v, net/http has %+v", got, want)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	in := "GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\nUser-Agent: curl/8\r\nAccept: */*\r\nProxy-Connection: keep-alive\r\n\r\n"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bufio.NewReaderSize(strings.NewReader(in), 4096)); err != nil {
			b.Fatal(err)
		}
	}
}
