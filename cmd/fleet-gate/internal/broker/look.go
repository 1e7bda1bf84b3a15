package broker

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fleet/cmd/fleet-gate/internal/find"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/sigv4"
	"fleet/schemas/policy"
)

// maxPut is how many placeholders a request may have: nobody needs more, and each makes the request longer.
const maxPut = 4

const authorization = "Authorization"

// ownFields carry credentials, besides the fields of secrets.
var ownFields = []string{
	"Api-Key", "Apikey", authorization, "Cookie", "Deploy-Token", "Job-Token", "Private-Token", "Proxy-Authorization",
	"X-Access-Token", "X-Amz-Security-Token", "X-Api-Key", "X-Auth-Token", "X-Goog-Api-Key",
}

// look is the work on one head.
type look struct {
	u    *Use
	kit  *kit
	may  []*item // that this request may have
	here []*item // that go to its host and port
}

const told = "The operator is told of this request, which was not sent"

// misplaced refuses a placeholder.
func (k *kit) misplaced(which int, where string) *judge.Refusal {
	s := k.list[which]
	return &judge.Refusal{
		Reason: policy.ReasonPlaceholder, Secret: s.Name,
		Text: "the placeholder of the secret " + s.Name + " stands in " + where + ", where no secret is put in; " +
			"it is replaced in " + s.Use() + ". " + told,
	}
}

// put notes that a secret goes out, and returns its value.
func (l *look) put(s *item) string {
	l.u.Names = append(l.u.Names, s.Name)
	return string(l.u.broker.vault.Now(s.Name).Bytes())
}

func (l *look) drop(what string) {
	if !slices.Contains(l.u.Dropped, what) {
		l.u.Dropped = append(l.u.Dropped, what)
	}
}

// in returns which placeholder is in a text as it is or percent-encoded.
func (k *kit) in(text string) int {
	if which := k.guard.InString(text); which != find.None || !strings.Contains(text, "%") {
		return which
	}
	return k.guard.InString(unescape(text))
}

// unescape takes percent-encoding away twice: some server might.
func unescape(s string) string {
	for range 2 {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			c := s[i]
			if c == '%' && i+2 < len(s) {
				if d, err := url.PathUnescape(s[i : i+3]); err == nil {
					c = d[0]
					i += 2
				}
			}
			b.WriteByte(c)
		}
		s = b.String()
	}
	return s
}

// target looks at path and query.
func (l *look) target() *judge.Refusal {
	path, query, asked := strings.Cut(l.u.Target, "?")
	if which := l.kit.in(path); which != find.None {
		return l.kit.misplaced(which, "the path")
	}
	if !asked {
		return nil
	}
	parts := strings.Split(query, "&")
	kept := make([]string, 0, len(parts))
	for _, part := range parts {
		part, keep, r := l.parameter(part)
		if r != nil {
			return r
		}
		if keep {
			kept = append(kept, part)
		}
	}
	switch {
	case slices.Equal(kept, parts):
	case len(kept) == 0:
		l.u.Target = path
	default:
		l.u.Target = path + "?" + strings.Join(kept, "&")
	}
	return nil
}

// parameter returns what is passed on of one.
func (l *look) parameter(part string) (out string, keep bool, r *judge.Refusal) {
	raw, value, _ := strings.Cut(part, "=")
	name, err := url.QueryUnescape(raw)
	if err != nil {
		name = raw
	}
	if which := l.kit.in(part); which != find.None {
		plain, err := url.QueryUnescape(value)
		for _, s := range l.may {
			if err == nil && s.Query == name && s.Query != "" && plain == s.Placeholder {
				if len(l.u.Names) == maxPut {
					return "", false, l.many(s)
				}
				return raw + "=" + url.QueryEscape(l.put(s)), true, nil
			}
		}
		return "", false, l.kit.misplaced(which, "the query")
	}
	for _, s := range l.here {
		if s.Query != "" && strings.EqualFold(s.Query, name) {
			l.drop("?" + s.Query)
			return "", false, nil
		}
		if s.SigV4 != "" && slices.ContainsFunc(presigned, func(p string) bool { return strings.EqualFold(p, name) }) {
			return "", false, unsigned(s, "its signature stands in the query, which is not signed anew; "+
				"the client signs by the field Authorization")
		}
	}
	return part, true, nil
}

// presigned are the parameters of a request that is signed by its query, by either version.
var presigned = []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "AWSAccessKeyId"}

func (l *look) many(s *item) *judge.Refusal {
	return &judge.Refusal{
		Reason: policy.ReasonPlaceholder, Secret: s.Name,
		Text: "a request may have four placeholders at most, and one in each field. " + told,
	}
}

// fields looks at all of them, in a fixed order, so that the same request has the same answer.
func (l *look) fields(h http.Header) *judge.Refusal {
	var room [32]string // for most heads
	names := room[:0]
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if which := l.kit.inName(name); which != find.None {
			return l.kit.misplaced(which, "the name of a field")
		}
		kept, r := l.values(name, h[name])
		switch {
		case r != nil:
			return r
		case len(kept) == 0:
			delete(h, name)
		case len(kept) != len(h[name]) || &kept[0] != &h[name][0]:
			h[name] = kept
		}
	}
	return nil
}

// inName is in for the name of a field, whose case means nothing.
func (k *kit) inName(name string) int {
	if len(name) < policy.MinPlaceholder {
		return find.None
	}
	return slices.IndexFunc(k.list, func(s *item) bool {
		return strings.Contains(strings.ToLower(name), strings.ToLower(s.Placeholder))
	})
}

// values returns what is passed on of a field's.
func (l *look) values(name string, values []string) (kept []string, r *judge.Refusal) {
	own := l.isOwn(name)
	if !own && !slices.ContainsFunc(values, func(v string) bool { return l.kit.inField(name, v) != find.None }) {
		return values, nil
	}
	put := false
	for _, value := range values {
		which := l.kit.inField(name, value)
		if which == find.None {
			if own {
				l.drop(name)
			} else {
				kept = append(kept, value)
			}
			continue
		}
		s, whole := l.place(name, value)
		if s == nil {
			return nil, l.kit.misplaced(which, "the field "+name)
		}
		if put || len(l.u.Names) == maxPut {
			return nil, l.many(s)
		}
		put = true
		kept = append(kept, whole(l.put(s)))
	}
	return kept, nil
}

// inField is in for a value of a field, of which the words may be in base64 where it carries a credential.
func (k *kit) inField(name, value string) int {
	if which := k.in(value); which != find.None || name != authorization && name != "Proxy-Authorization" {
		return which
	}
	for word := range strings.FieldsFuncSeq(value, func(c rune) bool { return strings.ContainsRune(" \t,\"=", c) }) {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if text, err := e.DecodeString(word); err == nil {
				if which := k.in(string(text)); which != find.None {
					return which
				}
			}
		}
	}
	return find.None
}

func (l *look) isOwn(name string) bool {
	return len(l.here) > 0 && slices.Contains(ownFields, name) ||
		slices.ContainsFunc(l.here, func(s *item) bool { return s.field == name })
}

// place returns the secret whose placeholder is a value of a field, at one of its places and nothing more, and what makes
// the field's value of the secret's.
func (l *look) place(name, value string) (*item, func(string) string) {
	for _, s := range l.may {
		if s.field == name && value == s.Placeholder {
			return s, func(v string) string { return v }
		}
		if name != authorization {
			continue
		}
		scheme, rest, _ := strings.Cut(value, " ")
		rest = strings.TrimLeft(rest, " ")
		switch {
		case s.Bearer && (strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "token")) && rest == s.Placeholder:
			return s, func(v string) string { return scheme + " " + v }
		case s.Basic && strings.EqualFold(scheme, "basic"):
			text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
			user, password, ok := strings.Cut(string(text), ":")
			if err == nil && ok && password == s.Placeholder && l.kit.in(user) == find.None {
				return s, func(v string) string { return scheme + " " + base64.StdEncoding.EncodeToString([]byte(user+":"+v)) }
			}
		}
	}
	return nil, nil
}

// signature finds a request that is to be signed anew, and takes the agent's signature away.
func (l *look) signature(h http.Header) *judge.Refusal {
	values := h[authorization]
	if len(values) != 1 || !strings.HasPrefix(values[0], "AWS4-") {
		return nil
	}
	scope, err := sigv4.Parse(values[0])
	for _, s := range l.here {
		switch {
		case s.SigV4 == "" || !strings.Contains(values[0], s.SigV4):
		case err != nil:
			return unsigned(s, err.Error())
		case scope.Key == s.SigV4 && slices.Contains(l.may, s):
			delete(h, authorization)
			return l.sign(s, scope, h)
		}
	}
	return nil
}

func (l *look) sign(s *item, scope sigv4.Scope, h http.Header) *judge.Refusal {
	dates, hashes := h[sigv4.DateField], h[sigv4.HashField]
	switch {
	case len(dates) != 1 || !scope.IsDate(dates[0]):
		return unsigned(s, "it must have one "+sigv4.DateField+" of the day that its Authorization names")
	case len(hashes) > 1 || len(hashes) == 1 && !sigv4.IsHash(hashes[0]):
		return unsigned(s, "its body comes in parts that are signed one by one; the client sends it whole, with its hash in "+
			sigv4.HashField+" or "+sigv4.Unsigned)
	}
	l.u.sign = &signing{scope: scope, secret: s}
	if len(hashes) == 1 {
		l.u.sign.hash = hashes[0]
	}
	l.u.Names = append(l.u.Names, s.Name)
	return nil
}

// unsigned refuses a request that cannot be signed.
func unsigned(s *item, why string) *judge.Refusal {
	return &judge.Refusal{
		Reason: judge.NotSigned, Secret: s.Name, Text: "the gate cannot sign this request with the secret " + s.Name + ": " + why,
	}
}
