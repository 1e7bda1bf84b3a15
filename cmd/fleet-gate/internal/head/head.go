// Package head reads the head of an HTTP/1 request, and takes only what every server reads alike. The parser of net/http
// is not strict enough to stand before another server: it joins folded lines, ends lines at a bare newline, and drops a
// Content-Length beside a Transfer-Encoding without a word (RFC 9112 sections 2.2, 5.1, 5.2 and 6.3).
package head

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Limits of a request.
const (
	MaxBytes  = 64 << 10 // of a head
	MaxFields = 200
	maxDigits = 18 // of a Content-Length
)

// Error is a head that is refused; the connection cannot be used any more.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

func bad(text string) error { return &Error{http.StatusBadRequest, text} }

// Request is a head.
type Request struct {
	Method, Target string // visible ASCII
	Minor          int    // of the version HTTP/1.x
	Host           string // of the only Host field; "" where there is none
	Header         http.Header
	Length         int64 // of the body; -1 where it is chunked
}

// Chunked is the Length of a chunked body.
const Chunked = -1

// Read reads one head from r, and not a byte more. The error is an *Error, io.EOF where the connection has ended before
// the first byte, or that of r.
func Read(r *bufio.Reader) (*Request, error) {
	text, err := next(r)
	if err != nil {
		return nil, err
	}
	line, rest, _ := strings.Cut(text, "\r\n")
	req, err := parseLine(line)
	if err != nil {
		return nil, err
	}
	if req.Header, err = fields(rest); err != nil {
		return nil, err
	}
	return req, req.frame()
}

// next returns the text of a head up to its empty line, of which each line ends in CRLF and has no other CR or LF.
func next(r *bufio.Reader) (string, error) {
	var text []byte
	for {
		line, err := r.ReadSlice('\n')
		text = append(text, line...)
		if len(text) > MaxBytes {
			return "", &Error{http.StatusRequestHeaderFieldsTooLarge, "the head must have at most 64 KiB"}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(text) > 0 {
			return "", io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		if !bytes.HasSuffix(text, []byte("\r\n")) {
			return "", bad("lines must end in CRLF")
		}
		if len(text) == 2 {
			return "", bad("the first line must not be empty")
		}
		if bytes.HasSuffix(text, []byte("\r\n\r\n")) {
			return string(text[:len(text)-2]), nil
		}
	}
}

func parseLine(line string) (*Request, error) {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	if method == "" || target == "" || !visible(method) || !visible(target) || !visible(version) {
		return nil, bad("the first line must be METHOD TARGET HTTP/1.1")
	}
	req := &Request{Method: method, Target: target}
	switch version {
	case "HTTP/1.1":
		req.Minor = 1
	case "HTTP/1.0":
	default:
		return nil, &Error{http.StatusHTTPVersionNotSupported, "the version must be HTTP/1.1 or HTTP/1.0"}
	}
	return req, nil
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

func fields(text string) (http.Header, error) {
	h := make(http.Header, strings.Count(text, "\n"))
	n := 0
	for text != "" {
		line, rest, _ := strings.Cut(text, "\r\n")
		text = rest
		if n++; n > MaxFields {
			return nil, &Error{http.StatusRequestHeaderFieldsTooLarge, "the head must have at most 200 fields"}
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) {
			return nil, bad("a field must be NAME: VALUE, without a space before the colon and not folded")
		}
		value = strings.Trim(value, " \t")
		if !text7(value) {
			return nil, bad("a field's value must have no control character")
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		h[key] = append(h[key], value)
	}
	return h, nil
}

// token tells whether s is one, RFC 9110 section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func text7(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// frame finds out where the body ends, for which there must be one way only.
func (r *Request) frame() error {
	hosts := r.Header["Host"]
	if len(hosts) > 1 || r.Minor == 1 && len(hosts) == 0 {
		return bad("there must be one Host")
	}
	if len(hosts) == 1 {
		r.Host = hosts[0]
	}
	lengths, codings := r.Header["Content-Length"], r.Header["Transfer-Encoding"]
	switch {
	case len(lengths)+len(codings) > 1:
		return bad("there must be one Content-Length or one Transfer-Encoding")
	case len(codings) == 1:
		if !strings.EqualFold(codings[0], "chunked") || r.Minor == 0 {
			return &Error{http.StatusNotImplemented, "the only Transfer-Encoding is chunked, with HTTP/1.1"}
		}
		r.Length = Chunked
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || len(lengths[0]) > maxDigits || lengths[0][0] == '+' {
			return bad("Content-Length must be a number")
		}
		r.Length = int64(n)
	}
	return nil
}

// hopByHop are the fields that are for the next hop alone (RFC 9110 section 7.6.1), and those that tell of the hops
// before, which an agent could only make up.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization",
	"Proxy-Authenticate", "Proxy-Authentication-Info", "Http2-Settings", "Expect", "Host", "Content-Length",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via",
}

// Tokens returns the tokens of a field that is a list, in lower case.
func Tokens(h http.Header, name string) []string {
	var out []string
	for _, v := range h[name] {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.ToLower(strings.Trim(t, " \t")); t != "" {
				out = append(out, t)
			}
		}
	}
	return out
}

// Strip takes the fields away that are not to be passed on, also those that Connection names.
func Strip(h http.Header) {
	for _, name := range append(Tokens(h, "Connection"), Tokens(h, "Proxy-Connection")...) {
		delete(h, textproto.CanonicalMIMEHeaderKey(name))
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}
