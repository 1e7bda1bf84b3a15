package policy

import "slices"

// Inspected returns the hosts of rules and denials, wildcards among them, for which requests inside TLS are decided on,
// sorted. For them the gate needs an authority that the agent trusts.
func (p *Policy) Inspected() []string {
	var out []string
	for _, r := range p.Allow {
		if r.Protocol == TLS && len(r.Methods)+len(r.Paths) > 0 {
			out = append(out, r.Host)
		}
	}
	for _, d := range p.Deny {
		if len(d.Methods)+len(d.Paths) > 0 {
			out = append(out, d.Host)
		}
	}
	for _, secret := range p.Secrets {
		out = append(out, secret.Hosts...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
