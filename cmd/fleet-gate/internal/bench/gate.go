//go:build bench

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"fleet/schemas/policy"
)

// gateSlack is TimerSlackNSec= of a gate's unit.
const gateSlack = 5 * time.Millisecond

// others is how many rules the gate's policy has beside those that are used.
const others = 200

func gatePolicy() *policy.Policy {
	p := &policy.Policy{
		Version: policy.Version, Project: "bench", Agent: "lead", Mode: policy.Enforce, DNS: target(nameServer, 53),
		Allow: []policy.Rule{
			{Name: "raw", Host: rawHost, Ports: []int{echoPort, rawPort}, Protocol: policy.Raw},
			{Name: "http", Host: httpHost, Ports: []int{httpPort}, Protocol: policy.HTTP},
			{Name: "tls", Host: tlsHost, Ports: []int{tlsPort}, Protocol: policy.TLS},
		},
	}
	for _, host := range []string{seenHost, keyHost, onceHost} {
		p.Allow = append(p.Allow, policy.Rule{
			Name: host, Host: host, Ports: []int{tlsPort}, Protocol: policy.TLS, Methods: []string{"GET"}, Paths: []string{"/*"},
		})
	}
	for i := range others {
		p.Allow = append(p.Allow, policy.Rule{
			Name: fmt.Sprintf("other%d", i), Host: fmt.Sprintf("h%d.other.example", i), Ports: []int{tlsPort}, Protocol: policy.TLS,
		})
	}
	return p
}

// startGate starts a gate that has no secrets.
func (l *lab) startGate() (*subject, error) {
	dir, err := l.dir("gate")
	if err != nil {
		return nil, err
	}
	return l.runGate(&subject{name: "gate"}, dir, gatePolicy())
}

// runGate starts a gate as its unit does: with an authority that stands already, passed sockets, and timers that may be
// late.
func (l *lab) runGate(s *subject, dir string, p *policy.Policy, more ...string) (*subject, error) {
	flags, err := l.gateFiles(dir, p)
	if err != nil {
		return nil, err
	}
	ip := l.address()
	s.proxy, s.names, s.opens, s.slack = target(ip, proxyPort), true, true, gateSlack
	for _, at := range []struct {
		network string
		port    int
	}{{"udp4", 53}, {"tcp4", 53}, {"tcp4", proxyPort}, {"tcp4", proxyPort + 1}} {
		if err := s.pass(at.network, target(ip, at.port)); err != nil {
			return nil, err
		}
	}
	flags = slices.Concat(flags, []string{"--journal", l.journal.socket}, more)
	return s, l.start(s, slices.Concat(execAs, []string{l.gate}, flags)...)
}

// gateFiles writes policy and roots into the gate's folder and makes its authority. It returns the flags that both need.
func (l *lab) gateFiles(dir string, p *policy.Policy) ([]string, error) {
	text, err := policy.Encode(p)
	if err != nil {
		return nil, err
	}
	file, roots := filepath.Join(dir, policy.FileName), filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(roots, l.origin.roots, 0o644); err != nil {
		return nil, err
	}
	flags := []string{"--policy", file, "--state", dir, "--roots", roots}
	cmd := exec.Command(l.gate, slices.Concat([]string{"ca"}, flags, []string{"--bundle", filepath.Join(dir, "bundle.pem")})...)
	cmd.SysProcAttr = asNobody()
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return flags, nil
}
