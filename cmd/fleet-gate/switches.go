package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fleet/activate/boottime"
	"fleet/cmd/internal/daemon"
	"fleet/schemas/policy"
)

// switches are what an operator has set on the host besides the policy. Each is a file that root alone writes.
type switches struct {
	cut    bool           // everything is refused
	bypass *policy.Bypass // what no rule allows is allowed; nil where none runs
}

// isCut tells whether the file at path exists, of whatever kind. One that cannot be looked at may exist.
func isCut(path string) (bool, error) {
	if path == "" {
		return false, nil
	}
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		err = fmt.Errorf("cannot tell whether the agent is cut off, so that it is: %w", err)
	}
	return true, err
}

// readBypass reads the bypass at path, nil where there is none. The error says why one that is there is not in force in
// this boot.
func readBypass(path, boot string) (*policy.Bypass, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if i, err := f.Stat(); err != nil || !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: must be a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, policy.MaxBypassSize+1))
	if err != nil {
		return nil, err
	}
	b, err := policy.ParseBypass(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := b.Left(boot, boottime.Now()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// look reads the switches again. g.mu is held.
func (g *gate) look() {
	cut, err := isCut(g.o.cut)
	if err != nil {
		g.log.Error(err)
	}
	b, err := readBypass(g.o.bypass, g.o.boot)
	switch {
	case errors.Is(err, policy.ErrOver):
		g.log.Info("the bypass is over") // its file stays until the next one
	case err != nil:
		g.log.WithError(err).Warn("the bypass is not in force")
	}
	g.alarm.Stop()
	g.switches, g.alarm = switches{cut: cut}, nil
	if b == nil {
		return
	}
	if g.alarm, err = boottime.At(time.Duration(b.Until), func() { g.over(b) }); err != nil {
		g.log.WithError(err).Error("the bypass is not in force, since nothing would end it")
		return
	}
	g.bypass = b
	g.log.WithField("reason", b.Reason).WithField("by", b.By).Warn("a bypass runs")
}

// over ends a bypass.
func (g *gate) over(b *policy.Bypass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bypass != b {
		return
	}
	g.bypass = nil
	g.log.WithField("cut", g.force()).Info("the bypass is over")
	daemon.Notify("STATUS=" + g.status())
}

// force puts policy and switches in force, ends what they do not allow, and returns how many connections that were.
// g.mu is held.
func (g *gate) force() (ended int) {
	ended = g.judge.Replace(g.matcher())
	g.proxy.Replaced()
	if g.cut {
		// What has not been decided on yet, or waits for a next request.
		g.server.CloseAll()
	}
	return ended
}

// matcher is what is in force. g.mu is held.
func (g *gate) matcher() *policy.Matcher {
	switch {
	case g.cut:
		return g.rules.matcher.Cut()
	case g.bypass != nil:
		return g.rules.matcher.In(policy.Bypassed)
	}
	return g.rules.matcher
}
