package head

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// EGR-E1 of the catalogue: a chunked body that has two readings is refused.
func TestE1Chunks(t *testing.T) {
	for in, want := range map[string]string{
		"3\r\nabc\r\n0\r\n\r\n":                              "abc",
		"3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n": "abc0123456789 v",
		"0\r\n\r\n":                                         "",
		"3;e=x\r\nabc\r\n0\r\n\r\n":                         "error",
		"3 \r\nabc\r\n0\r\n\r\n":                            "error",
		"3\nabc\r\n0\r\n\r\n":                               "error",
		"3\r\nabc\n0\r\n\r\n":                               "error",
		"3\r\nabcd\r\n0\r\n\r\n":                            "error",
		"0x3\r\nabc\r\n0\r\n\r\n":                           "error",
		"+3\r\nabc\r\n0\r\n\r\n":                            "error",
		"\r\nabc\r\n0\r\n\r\n":                              "error",
		"-1\r\n0\r\n\r\n":                                   "error",
		"10000000000000000\r\nabc":                          "error",
		"ffffffffffffffff\r\nabc":                           "error",
		"0000000000000003\r\nabc":                           "error",
		"0\r\nX T: v\r\n\r\n":                               "error",
		"0\r\n folded\r\n\r\n":                              "error",
		"0\r\nX: v\n\r\n":                                   "error",
		"0\r\n" + strings.Repeat("X: v\r\n", 4000) + "\r\n": "error",
		"3\r\nab":       "cut off",
		"3\r\nabc":      "cut off",
		"3\r\nabc\r\n":  "cut off",
		"0\r\n":         "cut off",
		"":              "cut off",
		"0\r\nX: v\r\n": "cut off",
	} {
		r := bufio.NewReader(strings.NewReader(in + "rest"))
		if want == "cut off" {
			r.Reset(strings.NewReader(in))
		}
		c := NewChunks(r)
		b, err := io.ReadAll(c)
		got := strings.TrimSpace(string(b) + " " + c.Trailer.Get("X-T"))
		var e *Error
		switch {
		case errors.As(err, &e):
			got = "error"
		case errors.Is(err, io.ErrUnexpectedEOF):
			got = "cut off"
		case err != nil:
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if rest, _ := io.ReadAll(r); err == nil && string(rest) != "rest" {
			t.Errorf("%q: left %q", in, rest)
		}
	}
}

// FuzzChunks holds the reader against that of net/http: what passes here is the same there.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("A\r\n0123456789\r\n1\r\n\n\r\n0\r\nX: y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := io.ReadAll(NewChunks(bufio.NewReader(bytes.NewReader(in))))
		if err != nil {
			return
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(in))))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %q, net/http has %q, %v", got, want, err)
		}
	})
}
