package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/ca"
	"fleet/cmd/fleet-gate/internal/outgoing"
	"fleet/cmd/internal/daemon"
	"fleet/schemas/policy"
)

// rules are a policy that was read.
type rules struct {
	policy  *policy.Policy
	matcher *policy.Matcher
	digest  string // SHA-256 of the file
}

// load reads a policy and makes it ready.
func load(path string) (r rules, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, policy.MaxSize+1))
	if err != nil {
		return r, err
	}
	if r.policy, err = policy.Parse(b); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.Sum256(b)
	r.digest = hex.EncodeToString(sum[:])
	r.matcher, err = r.policy.Compile()
	return r, err
}

// reload puts switches and policy file in force. With a policy that cannot be read the old one stays.
func (g *gate) reload() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for no clock that the kernel has
	daemon.Notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
	// Before the policy is read, which may take a while: neither a cut nor the answer that tells of it must wait.
	g.mu.Lock()
	g.look()
	ended := g.force()
	g.mu.Unlock()
	g.reloads.Add(1)
	r, err := load(g.o.policy)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		err = g.replace(r)
	}
	if err != nil {
		g.failed.Add(1)
		g.fault = err.Error()
		g.log.WithError(err).Error("the policy cannot be read; the one before stays in force")
		daemon.Notify("READY=1\nSTATUS=policy cannot be read, the one before stays in force")
		return
	}
	g.fault = ""
	g.log.WithField("cut", ended+g.force()).Info("policy replaced")
	daemon.Notify("READY=1\nSTATUS=" + g.status())
}

// replace takes a policy over. g.mu is held.
func (g *gate) replace(r rules) error {
	p, old := r.policy, g.rules.policy
	if p.Project != old.Project || p.Agent != old.Agent || p.UID != old.UID {
		return fmt.Errorf("%s: is the policy of %s %s with user %d, this gate is that of %s %s with user %d",
			g.o.policy, p.Project, p.Agent, p.UID, old.Project, old.Agent, old.UID)
	}
	if err := g.vault.Check(p.Secrets); err != nil {
		return fmt.Errorf("%s: %w", g.o.policy, err)
	}
	if err := g.ca.Configure(ca.Hosts(p)); err != nil {
		return err
	}
	g.dialer.Configure(outgoing.Options{DNS: p.DNS, Upstream: p.Upstream})
	g.budget.Configure(r.matcher.Limits())
	g.rules = r
	return nil
}

// status is the line of systemctl status. g.mu is held.
func (g *gate) status() string {
	p := g.rules.policy
	s := fmt.Sprintf("mode %s, %d rules allow, %d deny", p.Mode, len(p.Allow), len(p.Deny))
	if n := len(p.Secrets); n > 0 {
		s += fmt.Sprintf(", %d secrets", n)
	}
	switch {
	case g.cut:
		return "cut off by the operator; " + s
	case g.bypass != nil:
		return "a bypass runs; " + s
	}
	return s
}
