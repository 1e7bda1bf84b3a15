package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"fleet/schemas/report"
)

// Limits of a policy. Ten thousand rules are what it must bear.
const (
	MaxRules = 20_000
	maxPorts = 1000
	maxPaths = 1000
	maxVerbs = 64
	maxText  = 200 // bytes of a rule's name

	maxUID = 1<<32 - 2 // the highest number says "no change" to chown(2)
)

// maxFaults bounds a report on a hostile input.
const maxFaults = 100

var (
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	agentKey    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`) // an agent's, or sidecar-NAME-KEY
	ruleName    = regexp.MustCompile(`^[ -~]+$`)               // what reaches records and terminals
)

// Check reports everything that Compile could not make sense of: hosts, ports, methods and paths that are not in
// canonical form, rules that contradict each other, and what could never have an effect.
func (p *Policy) Check() report.Report {
	c := checker{protocols: map[endpoint]string{}}
	c.head(p)
	for i := range p.Allow {
		c.rule(fmt.Sprintf("allow[%d]", i), &p.Allow[i])
	}
	for i := range p.Deny {
		c.denial(fmt.Sprintf("deny[%d]", i), &p.Deny[i])
	}
	c.secrets(p)
	for i := range c.r.Entries {
		c.r.Entries[i].Where = FileName
	}
	return c.r
}

type endpoint struct {
	host string
	port int
}

type checker struct {
	r         report.Report
	protocols map[endpoint]string
}

func (c *checker) must(ok bool, at, format string, args ...any) {
	if !ok && len(c.r.Entries) < maxFaults {
		c.r.Errorf(at, format, args...)
	}
}

func (c *checker) pattern(at string, err error) {
	var p *PatternError
	if errors.As(err, &p) && len(c.r.Entries) < maxFaults {
		c.r.ErrorHint(at, p.Message, p.Hint)
	}
}

func (c *checker) head(p *Policy) {
	c.must(p.Version == Version, "version", "must be %d, is %d", Version, p.Version)
	c.must(projectName.MatchString(p.Project), "project", "%q must be at most 12 lower-case letters and digits", p.Project)
	c.must(agentKey.MatchString(p.Agent), "agent", "%q must be lower-case letters, digits and dashes", p.Agent)
	c.must(p.UID >= 0 && p.UID <= maxUID, "uid", "must be a user's number, is %d", p.UID)
	c.must(slices.Contains([]string{Enforce, Report, Off}, p.Mode), "mode", "%q must be enforce, report or off", p.Mode)
	n := len(p.Allow) + len(p.Deny)
	c.must(n <= MaxRules, "allow", "must be at most %d rules with those of deny, are %d", MaxRules, n)
	if p.DNS != "" {
		a, err := netip.ParseAddrPort(p.DNS)
		c.must(err == nil && a.Port() != 0 && a.String() == p.DNS && a.Addr().Zone() == "", "dns",
			"%q must be ADDRESS:PORT in the usual form", p.DNS)
	}
	if u := p.Upstream; u != nil {
		h, err := ParseHost(u.Host)
		c.must(err == nil && h.String() == u.Host, "upstream.host", "%q must be a host in canonical form", u.Host)
		c.must(u.Port > 0 && u.Port <= 65535, "upstream.port", "must be from 1 to 65535, is %d", u.Port)
	}
}

func (c *checker) rule(at string, r *Rule) {
	c.common(at, r.Name, r.Ports, r.Methods, r.Paths)
	c.host(at, r)
	c.must(len(r.Ports) > 0, at+".ports", "must name at least one port")
	known := slices.Contains([]string{HTTP, TLS, Raw}, r.Protocol)
	c.must(known, at+".protocol", "%q must be http, tls or raw", r.Protocol)
	c.must(r.Protocol != Raw || len(r.Methods)+len(r.Paths) == 0, at+".protocol",
		"must not be raw where there are methods or paths: nobody can read them there")
	if l := r.Limits; l != nil {
		c.must(min(l.RequestsPerDay, l.BytesUpPerDay) >= 0 && *l != Limits{}, at+".limits",
			"must name a limit, and none below 0")
	}
	for _, port := range r.Ports {
		e := endpoint{r.Host, port}
		before, twice := c.protocols[e]
		c.must(!twice || before == r.Protocol, at+".protocol",
			"%q of %s port %d must be the same as in the rule before, %q", r.Protocol, r.Host, port, before)
		c.protocols[e] = r.Protocol
	}
}

func (c *checker) host(at string, r *Rule) {
	if err := CheckPattern(r.Host); err != nil {
		c.pattern(at+".host", err)
		return
	}
	h, err := ParseHost(r.Host)
	c.must(!isSelf(h), at+".host", "%q must not be listed: the gate answers for it itself", r.Host)
	if err != nil || h.Name != "" { // a wildcard is no host
		return
	}
	c.must(r.Private, at+".host", "address %q must not be listed without private", r.Host)
	c.must(Classify(h.Addr) != Never, at+".host", "address %q must not be listed: it is refused to every agent", r.Host)
}

func (c *checker) denial(at string, d *Denial) {
	c.common(at, d.Name, d.Ports, d.Methods, d.Paths)
	if err := CheckPattern(d.Host); err != nil {
		c.pattern(at+".host", err)
	}
	c.must(len(d.Ports) > 0 || len(d.Methods)+len(d.Paths) == 0, at+".ports",
		"must name the ports where there are methods or paths: others cannot be read")
}

func (c *checker) common(at, name string, ports []int, methods, paths []string) {
	c.must(len(name) <= maxText && ruleName.MatchString(name), at+".name",
		"%q must be 1 to %d printable ASCII characters", name, maxText)
	c.requests(at, ports, methods, paths)
}

func (c *checker) requests(at string, ports []int, methods, paths []string) {
	c.must(len(ports) <= maxPorts, at+".ports", "must be at most %d, are %d", maxPorts, len(ports))
	for i, p := range ports {
		c.must(p > 0 && p <= 65535, at+".ports", "must be from 1 to 65535, one is %d", p)
		c.must(i == 0 || p > ports[i-1], at+".ports", "must be rising and listed once, %d is not", p)
	}
	c.must(len(methods) <= maxVerbs, at+".methods", "must be at most %d, are %d", maxVerbs, len(methods))
	for _, m := range methods {
		c.must(MethodOK(m), at+".methods", "%q must be a method in upper case, and not CONNECT, TRACE or PRI", m)
	}
	c.must(len(paths) <= maxPaths, at+".paths", "must be at most %d, are %d", maxPaths, len(paths))
	for _, p := range paths {
		c.pattern(at+".paths", CheckPathPattern(p))
	}
}
