package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// egress checks what everybody may reach, and what each agent may: the same checks that a gate makes before it takes a
// policy, with the places of the spec.
func (c *checker) egress() {
	e, p := c.fleet.Egress, place{"egress"}
	if e.UpstreamResolves && e.Upstream == "" {
		c.error(p.in("upstreamResolves"), "has no effect without upstream", "set upstream, or take it out")
	}
	c.weak(p, e.Mode)
	c.rules(p.in("allow"), e.Allow)
	for name, h := range c.fleet.Harnesses {
		c.rules(place{"harnesses", name, "egress"}, h.Egress)
	}
	for _, key := range c.keys() {
		at := place{"agents", key, "egress"}
		c.weak(at, c.fleet.Agents[key].Egress.Mode)
		c.rules(at.in("allow"), c.fleet.Agents[key].Egress.Allow)
		c.policy(key)
	}
}

// weak warns of a mode that refuses little.
func (c *checker) weak(p place, mode string) {
	switch mode {
	case policy.Report:
		c.warn(p.in("mode"), "nothing is refused but private and metadata addresses",
			"`fleet egress suggest` writes the rules for mode enforce from what was used")
	case policy.Off:
		c.warn(p.in("mode"), "nothing is refused but private and metadata addresses", "report also records it")
	}
}

// rules checks what a policy cannot know: what a rule of the spec leaves out, and whose the names below a wildcard are.
func (c *checker) rules(p place, rules []fleet.EgressRule) {
	for i, r := range rules {
		if r.Protocol == policy.Raw && len(r.Ports) == 0 {
			c.error(p.at(i).in("ports"), "is missing: raw may be spoken on any port", "such as ports: [22] for SSH")
		}
		if name, ok := strings.CutPrefix(r.Host, "*."); ok {
			c.shared(p.at(i), r.Host, name)
		}
	}
}

// sharedParents have names below them that customers choose, while the list of public suffixes knows only longer ones.
var sharedParents = []string{"amazonaws.com", "azure.com", "cloudflare.com", "googleapis.com", "googleusercontent.com", "windows.net"}

// shared warns of a wildcard below which anybody can have a host. https://publicsuffix.org tells where that is so.
func (c *checker) shared(p place, pattern, name string) {
	suffix, _ := publicsuffix.PublicSuffix(name)
	if name != suffix && !slices.Contains(sharedParents, name) || !strings.Contains(name, ".") {
		return
	}
	c.warn(p, fmt.Sprintf("%q stands for hosts of many owners: anybody can have one there and take data out", pattern),
		"list the hosts that are needed")
}

// policy checks the policy that an agent would get.
func (c *checker) policy(key string) {
	out, err := model.Egress(c.fleet, key, c.fleet.UIDs.From)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			where, message, _ := strings.Cut(line, ": ")
			c.error(placeOf(where), message, "")
		}
	}
	for _, e := range out.Check().Entries {
		if at := policyPlace(out, e.Path); at != nil { // else another check has found it where it comes from
			c.error(at, e.Message, e.Hint)
		}
	}
	c.reachable(out)
}

var (
	policyRe = regexp.MustCompile(`^(allow|deny)\[([0-9]+)\](?:\.(?:host|(.*)))?$`)
	secretRe = regexp.MustCompile(`^secrets\[([0-9]+)\](?:\.(.*))?$`)
)

// policyPlace returns where in the spec stands what is at a path of its policy, nil where no rule is. A rule's name tells;
// its host may be all that it is.
func policyPlace(p *policy.Policy, path string) place {
	if m := secretRe.FindStringSubmatch(path); m != nil {
		i, _ := strconv.Atoi(m[1])
		return append(place{"secrets", p.Secrets[i].Name}, placeOf(m[2])...)
	}
	m := policyRe.FindStringSubmatch(path)
	switch {
	case path == "allow": // too many rules
		return place{"agents", p.Agent, "egress", "allow"}
	case m == nil:
		return nil
	}
	i, _ := strconv.Atoi(m[2])
	name := ""
	if m[1] == "allow" {
		name = p.Allow[i].Name
	} else {
		name = p.Deny[i].Name
	}
	if m[3] != "" {
		name += "." + m[3]
	}
	return placeOf(name)
}

var stepRe = regexp.MustCompile(`\[[0-9]+\]|[^.\[\]]+`)

// placeOf reads a place that has no quoted keys.
func placeOf(s string) place { return stepRe.FindAllString(s, -1) }
