// Package sigv4 signs requests in place of a client that lacks the key, by AWS Signature Version 4:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html. What the client has signed with something
// else tells the scope and the fields to sign.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Algorithm begins the Authorization of a request that is signed so.
const Algorithm = "AWS4-HMAC-SHA256"

// Fields of a request that matter to its signature.
const (
	DateField  = "X-Amz-Date"
	HashField  = "X-Amz-Content-Sha256"
	TokenField = "X-Amz-Security-Token"
)

// Hashes of a body that are no hash.
const (
	Unsigned          = "UNSIGNED-PAYLOAD"
	UnsignedStreaming = "STREAMING-UNSIGNED-PAYLOAD-TRAILER" // in parts without signatures of their own
)

// Scope is what an Authorization says.
type Scope struct {
	Key                   string // the access key's ID
	Date, Region, Service string
	Fields                []string // signed, in lower case
}

// ErrForm tells that an Authorization is none of this algorithm.
var ErrForm = errors.New("the field Authorization must be " + Algorithm + " Credential=KEY/DATE/REGION/SERVICE/aws4_request, " +
	"SignedHeaders=FIELDS, Signature=HEX")

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// of tells whether a text has so many bytes, all of them of some signs.
func of(s string, least, most int, signs string) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, signs) == ""
}

// Parse reads an Authorization. The error is ErrForm.
func Parse(authorization string) (Scope, error) {
	rest, ok := strings.CutPrefix(authorization, Algorithm+" ")
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	c, fields := strings.Split(parts["Credential"], "/"), strings.Split(parts["SignedHeaders"], ";")
	if !ok || len(parts) != 3 || parts["Signature"] == "" || len(c) != 5 || c[4] != "aws4_request" ||
		!of(c[0], 16, 128, upper+digits) || !of(c[1], 8, 8, digits) || !of(c[2], 1, 64, upper+lower+digits+"_-") ||
		!of(c[3], 1, 64, upper+lower+digits+"_-.") ||
		slices.ContainsFunc(fields, func(f string) bool { return !of(f, 1, 64, lower+digits+"_-") }) {
		return Scope{}, ErrForm
	}
	return Scope{c[0], c[1], c[2], c[3], fields}, nil
}

// IsDate tells whether a value of DateField is one of the scope's day.
func (s Scope) IsDate(value string) bool {
	time, day := strings.CutPrefix(value, s.Date+"T")
	time, utc := strings.CutSuffix(time, "Z")
	return day && utc && of(time, 6, 6, digits)
}

// IsHash tells whether a value of HashField can be signed as it is.
func IsHash(value string) bool {
	return of(value, 64, 64, digits+"abcdef") || value == Unsigned || value == UnsignedStreaming
}

// HashOf is the value of HashField for a body.
func HashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Request is what is signed: a request as it goes out.
type Request struct {
	Method, Host, Target string // the target is path and query
	Header               http.Header
	Hash                 string // as IsHash takes it
}

// Sign returns the Authorization of a request by the key's secret. DateField is there, as IsDate takes it.
func (s Scope) Sign(secret []byte, r Request) string {
	names := s.signed(r.Header)
	path, query, _ := strings.Cut(r.Target, "?")
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(path, s.Service) + "\n" + canonicalQuery(query) + "\n")
	for _, name := range names {
		values := r.Header[http.CanonicalHeaderKey(name)]
		if name == "host" {
			values = []string{r.Host}
		}
		b.WriteString(name + ":" + canonicalValue(values) + "\n")
	}
	list := strings.Join(names, ";")
	b.WriteString("\n" + list + "\n" + r.Hash)

	scope := s.Date + "/" + s.Region + "/" + s.Service + "/aws4_request"
	text := Algorithm + "\n" + r.Header.Get(DateField) + "\n" + scope + "\n" + HashOf([]byte(b.String()))
	key := append([]byte("AWS4"), secret...)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request", text} {
		key = mac(key, part)
	}
	return Algorithm + " Credential=" + s.Key + "/" + scope + ", SignedHeaders=" + list +
		", Signature=" + hex.EncodeToString(key)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// hops are written or left out by whoever sends a request on, so that no signature over them would hold.
var hops = []string{"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade", "authorization"}

// signed returns the fields to sign, sorted: those that the client has signed and that still go out, and those that must
// be signed.
func (s Scope) signed(h http.Header) []string {
	names := []string{"host"}
	for name := range h {
		name = strings.ToLower(name)
		must := name == "content-type" || strings.HasPrefix(name, "x-amz-")
		if (must || slices.Contains(s.Fields, name)) && !slices.Contains(hops, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// canonicalPath is that of a path as it goes out: S3 has each segment encoded once, all others encode what goes out again.
func canonicalPath(path, service string) string {
	if service != "s3" && !strings.HasPrefix(service, "s3-") && service != "s3express" {
		return encode(path, "/")
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = encode(decode(s, false), "")
	}
	return strings.Join(segments, "/")
}

// canonicalQuery has each parameter encoded alike, sorted by name and then by value.
func canonicalQuery(query string) string {
	if query == "" {
		return ""
	}
	var list [][2]string
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		list = append(list, [2]string{encode(decode(name, true), ""), encode(decode(value, true), "")})
	}
	slices.SortStableFunc(list, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	parts := make([]string, len(list))
	for i, p := range list {
		parts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(parts, "&")
}

// canonicalValue has no space at either end of a value and no two in a row.
func canonicalValue(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " ")
	}
	return strings.Join(out, ",")
}

// decode takes percent-encoding away; what is none stays.
func decode(s string, plus bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+' && plus:
			c = ' '
		case c == '%' && i+2 < len(s):
			if raw, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				c = raw[0]
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// encode percent-encodes all but RFC 3986's unreserved signs and those of keep.
func encode(s, keep string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~"+keep, c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
