package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fleet/activate/terminal"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// loginEnd is what a unit takes at most to end after its last process has.
const loginEnd = 2 * time.Second

// Login shows the harness's own login, which runs as the agent in its containment, until it has ended or the person leaves.
// It returns in words how it ended. Whether the agent runs meanwhile does not matter.
func (c Control) Login(ctx context.Context, a manifest.Agent, v terminal.View) (string, error) {
	if err := c.mayLogin(a); err != nil {
		return "", err
	}
	pair, err := terminal.Open(v.Terminal)
	if err != nil {
		return "", err
	}
	defer pair.Close()
	unit := c.loginUnit(a.Key, pair.Number)
	res := c.Systemd.StartAndWait(ctx, c.fx, unit, c.limit())
	defer c.detach(ctx, unit)
	if !res.OK() {
		return "", errors.New(c.Systemd.Explain(context.WithoutCancel(ctx), res))
	}
	ended := make(chan struct{})
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go c.watch(watching, unit, ended)
	left, err := terminal.Show(ctx, pair, v, ended)
	select {
	case <-ended: // the view of a login that ends does so by itself, and may be first
		left = false
	case <-time.After(loginEnd):
	case <-ctx.Done():
	}
	switch {
	case err != nil:
		return "", err
	case left:
		return "", fmt.Errorf("left before the login of %s had ended: nothing was kept that it had not kept yet", a.Key)
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return c.loggedIn(ctx, a, unit)
}

// loggedIn says how the login ended. A unit that failed stays until it is forgotten here.
func (c Control) loggedIn(ctx context.Context, a manifest.Agent, unit string) (string, error) {
	u, err := c.Systemd.Unit(ctx, unit)
	if err != nil {
		return "", err
	}
	if u.ActiveState == "failed" {
		_ = c.Systemd.ResetFailed(ctx, c.fx, unit) // else systemd forgets it at the next boot
		return "", fmt.Errorf("the login of %s failed\n  hint: sudo fleet login %s again; sudo fleet egress log %s shows what its gate refused", a.Key, a.Key, a.Key)
	}
	return fmt.Sprintf("the login of %s has ended; sudo fleet restart %s begins a session with it", a.Key, a.Key), nil
}

// mayLogin refuses an agent that the live generation does not let log in.
func (c Control) mayLogin(a manifest.Agent) error {
	var r report.Report
	switch {
	case !a.Enabled:
		r.ErrorHint("agents."+a.Key, "is disabled in the live generation", "set enabled: true in the spec, then fleet build and sudo fleet switch")
	case a.Login:
		return nil
	default:
		message := "is not set in the live generation"
		for _, s := range c.Manifest.Secrets {
			if s.Disposition == "broker" && slices.Contains(s.Agents, a.Key) {
				message += ": its gate holds " + s.Name + " for it"
				break
			}
		}
		r.ErrorHint("agents."+a.Key+".login", message,
			"for an account without a key: take the harness's secret from the agent, set login: true, then fleet build and sudo fleet switch; the token of the login then lies with the agent")
	}
	return r.Err()
}
