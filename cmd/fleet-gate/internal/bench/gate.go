//go:build bench

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"fleet/schemas/policy"
)

// others is how many rules the gate's policy has beside those that are used.
const others = 200

func gatePolicy() *policy.Policy {
	p := &policy.Policy{
		Version: policy.Version, Project: "bench", Agent: "lead", Mode: policy.Enforce, DNS: target(nameServer, 53),
		Allow: []policy.Rule{
			{Name: "raw", Host: rawHost, Ports: []int{echoPort, rawPort}, Protocol: policy.Raw},
			{Name: "http", Host: httpHost, Ports: []int{httpPort}, Protocol: policy.HTTP},
			{Name: "tls", Host: tlsHost, Ports: []int{tlsPort}, Protocol: policy.TLS},
			{
				Name: "seen", Host: seenHost, Ports: []int{tlsPort}, Protocol: policy.TLS,
				Methods: []string{"GET"}, Paths: []string{"/*"},
			},
		},
	}
	for i := range others {
		p.Allow = append(p.Allow, policy.Rule{
			Name: fmt.Sprintf("other%d", i), Host: fmt.Sprintf("h%d.other.example", i), Ports: []int{tlsPort}, Protocol: policy.TLS,
		})
	}
	return p
}

func (l *lab) startGate() (*subject, error) {
	dir, err := l.dir("gate")
	if err != nil {
		return nil, err
	}
	text, err := policy.Encode(gatePolicy())
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, policy.FileName)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	ip := l.address()
	s := &subject{name: "gate", proxy: target(ip, proxyPort), names: true}
	for _, at := range []struct {
		network string
		port    int
	}{{"udp4", 53}, {"tcp4", 53}, {"tcp4", proxyPort}, {"tcp4", proxyPort + 1}} {
		if err := s.pass(at.network, target(ip, at.port)); err != nil {
			return nil, err
		}
	}
	return s, l.start(s, append(execAs, l.gate, "--policy", file, "--state", dir, "--journal", l.journal.socket)...)
}
