// Package modeltest completes fleets that tests write by hand.
package modeltest

import (
	"fleet/generate/model"
	"fleet/schemas/policy"
)

// Gated gives each agent that has none a gate: a user, a number from 99000 on, and a policy that allows one host. It
// returns m.
func Gated(m *model.Fleet) *model.Fleet {
	for i := range m.Agents {
		a := &m.Agents[i]
		if a.GateUser == "" {
			a.GateUser, a.GateUID = a.User+"-gate", 99000+i
		}
		if a.Policy == nil {
			a.Policy = &policy.Policy{
				Version: policy.Version, Project: m.Project, Agent: a.Key, UID: int64(a.UID), Mode: policy.Enforce,
				Allow: []policy.Rule{{Name: "egress.allow[0]", Host: "example.com", Ports: []int{443}, Protocol: policy.TLS}},
				Deny:  []policy.Denial{},
			}
		}
	}
	return m
}
