package policy

import (
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// Secret is a credential that the gate holds and the agent does not. Where a request that may use it has the placeholder
// at one of its places, the gate puts the value there; it reads the value from the credential of the same name. Requests
// to its hosts are read inside verified TLS and nowhere else.
type Secret struct {
	Name        string   `json:"name"`              // in the spec
	Placeholder string   `json:"placeholder"`       // what the agent has instead
	Hosts       []string `json:"hosts"`             // names or wildcards, as a Rule's
	Ports       []int    `json:"ports"`             // rising
	Methods     []string `json:"methods,omitempty"` // none is GET, HEAD, POST, PUT, PATCH and DELETE
	Paths       []string `json:"paths,omitempty"`   // as a Rule's

	// Its places, one at least.
	Header string `json:"header,omitempty"` // the whole value of this field
	Bearer bool   `json:"bearer,omitempty"` // Authorization: Bearer, or token
	Basic  bool   `json:"basic,omitempty"`  // the password of Authorization: Basic
	Query  string `json:"query,omitempty"`  // the whole value of this parameter
	SigV4  string `json:"sigv4,omitempty"`  // requests with this AWS access key ID are signed anew with the value
}

// Bounds of a secret.
const (
	MaxSecrets     = 100
	MinPlaceholder = 20 // so that no other text has it by chance
	MaxPlaceholder = 512
	maxHosts       = 1000
)

// Use says for people where the secret goes: at which places of which requests.
func (s *Secret) Use() string {
	var at []string
	add := func(is bool, text string) {
		if is {
			at = append(at, text)
		}
	}
	add(s.Header != "", "the whole field "+s.Header)
	add(s.Bearer, "Authorization: Bearer")
	add(s.Basic, "the password of Authorization: Basic")
	add(s.Query != "", "the parameter "+s.Query)
	add(s.SigV4 != "", "the signature by "+s.SigV4)
	text := strings.Join(at, " or ") + " of "
	if len(s.Methods) > 0 {
		text += strings.Join(s.Methods, ", ") + " "
	}
	text += "requests by HTTPS to " + few(s.Hosts)
	if len(s.Paths) > 0 {
		text += " for " + few(s.Paths)
	}
	return text
}

// few lists some of many.
func few(list []string) string {
	const most = 4
	if len(list) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// word is a text of some signs with so many bytes. A gate is started often, and to compile an expression that counts them
// takes longer than all else that this package prepares.
type word struct {
	signs    *regexp.Regexp
	min, max int
}

// MatchString tells whether s is one.
func (w word) MatchString(s string) bool {
	return len(s) >= w.min && len(s) <= w.max && w.signs.MatchString(s)
}

var (
	secretName  = word{regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`), 1, 64}
	placeholder = word{regexp.MustCompile(`^[A-Za-z0-9_.-]+$`), MinPlaceholder, MaxPlaceholder}
	fieldName   = word{regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]+$`), 1, 64}
	parameter   = word{regexp.MustCompile(`^[A-Za-z0-9_.~-]+$`), 1, 64}
	accessKeyID = word{regexp.MustCompile(`^[A-Z0-9]+$`), 16, 128}
)

// ownFields are of the connection or of the message's form, so that a value there would change what the request is, or
// ones that no gate passes on.
var ownFields = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Forwarded", "Host",
	"Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
	"Proxy-Connection", "Range", "Sec-Websocket-Extensions", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Via",
	"X-Fleet-Deny", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
}

func isOwnField(name string) bool {
	return slices.Contains(ownFields, textproto.CanonicalMIMEHeaderKey(name))
}

func (c *checker) secrets(p *Policy) {
	c.must(len(p.Secrets) <= MaxSecrets, "secrets", "must be at most %d, are %d", MaxSecrets, len(p.Secrets))
	names, placeholders := map[string]bool{}, map[string]bool{}
	for i := range p.Secrets {
		s, at := &p.Secrets[i], fmt.Sprintf("secrets[%d]", i)
		c.secret(at, s)
		c.must(!names[s.Name], at+".name", "%q must be there once", s.Name)
		c.must(!placeholders[s.Placeholder], at+".placeholder", "must be there once")
		names[s.Name], placeholders[s.Placeholder] = true, true
		for j := range i {
			c.apart(at, s, &p.Secrets[j])
		}
	}
	for i, host := range p.Quoting {
		if err := CheckPattern(host); err != nil {
			c.pattern(fmt.Sprintf("quoting[%d]", i), err)
		}
	}
}

func (c *checker) secret(at string, s *Secret) {
	c.must(secretName.MatchString(s.Name), at+".name",
		"%q must be 1 to 64 upper-case letters, digits and underscores that begin with a letter", s.Name)
	c.must(placeholder.MatchString(s.Placeholder), at+".placeholder",
		"must be %d to %d letters, digits, dashes, dots and underscores", MinPlaceholder, MaxPlaceholder)
	c.requests(at, s.Ports, s.Methods, s.Paths)
	c.must(!slices.Contains(s.Methods, "OPTIONS"), at+".methods", "must not have OPTIONS: no credential goes with it")
	c.must(len(s.Hosts) > 0 && len(s.Hosts) <= maxHosts, at+".hosts", "must be 1 to %d, are %d", maxHosts, len(s.Hosts))
	c.must(len(s.Ports) > 0, at+".ports", "must name at least one port")
	for i, host := range s.Hosts {
		if err := CheckPattern(host); err != nil {
			c.pattern(fmt.Sprintf("%s.hosts[%d]", at, i), err)
			continue
		}
		c.must(!slices.Contains(s.Hosts[:i], host), fmt.Sprintf("%s.hosts[%d]", at, i), "%q must be there once", host)
		for _, port := range s.Ports {
			protocol, listed := c.protocols[endpoint{host, port}]
			c.must(!listed || protocol == TLS, at+".ports", "%d of %s must be a port whose rules say tls, they say %s", port, host, protocol)
		}
		h, err := ParseHost(host)
		c.must(err != nil || h.Name != "" && !isSelf(h), fmt.Sprintf("%s.hosts[%d]", at, i), "%q must be the name of a host", host)
	}
	places := []bool{s.Header != "", s.Bearer, s.Basic, s.Query != "", s.SigV4 != ""}
	c.must(slices.Contains(places, true), at, "must have a place: header, bearer, basic, query or sigv4")
	c.must(s.Header == "" || fieldName.MatchString(s.Header) && !isOwnField(s.Header), at+".header",
		"%q must be the name of a field that carries a credential", s.Header)
	c.must(s.Query == "" || parameter.MatchString(s.Query), at+".query", "%q must be the name of a parameter", s.Query)
	c.must(s.SigV4 == "" || accessKeyID.MatchString(s.SigV4), at+".sigv4", "%q must be an AWS access key ID", s.SigV4)
}

// apart refuses two secrets whose requests cannot be told apart: all but what is signed is told by the placeholder.
func (c *checker) apart(at string, s, before *Secret) {
	within := strings.Contains(s.Placeholder, before.Placeholder) || strings.Contains(before.Placeholder, s.Placeholder)
	c.must(s.Placeholder == before.Placeholder || !within, at+".placeholder", "must not be a part of that of %s, nor hold it", before.Name)
	c.must(s.SigV4 == "" || s.SigV4 != before.SigV4, at+".sigv4", "must be another access key ID than that of %s", before.Name)
}
