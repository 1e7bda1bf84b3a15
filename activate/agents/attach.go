package agents

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"fleet/activate/safefile"
	"fleet/activate/systemd"
	"fleet/activate/terminal"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
	"fleet/schemas/session"
)

const (
	// lookEvery is how often attach looks whether the agent's side of the terminal lives, or a session has begun.
	lookEvery = 300 * time.Millisecond
	// attachStop bounds the end of the attach unit, whose own limit is 5 s.
	attachStop = 10 * time.Second
	// firstPrepare is what the preparations of a first session may take before its terminal is there.
	firstPrepare = 30 * time.Second
	// tooShort is what a view lasts that never showed anything.
	tooShort = 2 * time.Second
)

// Attach shows the agent's terminal until the person leaves or the terminal is gone. It outlives sessions; before the
// first one it is waited for. It returns in words how the view ended.
func (c Control) Attach(ctx context.Context, a manifest.Agent, v terminal.View) (string, error) {
	if err := c.mayAttach(ctx, a); err != nil {
		return "", err
	}
	if err := c.awaitSession(ctx, a); err != nil {
		return "", err
	}
	pair, err := terminal.Open(v.Terminal)
	if err != nil {
		return "", err
	}
	defer pair.Close()
	unit := c.attachUnit(a.Key, pair.Number)
	began := time.Now()
	res := c.Systemd.StartAndWait(ctx, c.fx, unit, c.limit())
	defer c.detach(ctx, unit)
	if !res.OK() {
		return "", errors.New(c.Systemd.Explain(context.WithoutCancel(ctx), res))
	}
	ended := make(chan struct{})
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go c.watch(watching, unit, ended)
	if now := c.Signs(a.Key).Now; now.State == session.Pausing {
		c.Log("%s is between sessions%s", a.Key, c.nextSession(now))
	}
	left, err := terminal.Show(ctx, pair, v, ended)
	switch {
	case err != nil:
		return "", err
	case left:
		return "left; " + a.Key + " goes on", nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case time.Since(began) < tooShort && c.mayAttach(ctx, a) == nil && c.Signs(a.Key).Now.State == session.Working:
		return "", fmt.Errorf("the terminal of %s closed at once%s", a.Key, c.Systemd.LastLines(ctx, unit))
	}
	return "the terminal of " + a.Key + " was closed", nil
}

// mayAttach refuses where there is no terminal to be shown.
func (c Control) mayAttach(ctx context.Context, a manifest.Agent) error {
	u, err := c.Systemd.Unit(ctx, a.Unit)
	if err != nil {
		return err
	}
	if u.ActiveState == "active" {
		return nil
	}
	var r report.Report
	hint := "sudo fleet start " + a.Key
	if u.ActiveState != "inactive" {
		hint = "sudo fleet logs " + a.Key
	}
	r.ErrorHint("agents."+a.Key, "does not run ("+u.ActiveState+"), so it has no terminal", hint)
	return r.Err()
}

// awaitSession waits until the agent has a terminal. What the agent says of itself is only shown, in fixed words: one
// that lies keeps nobody from seeing that.
func (c Control) awaitSession(ctx context.Context, a manifest.Agent) error {
	said := false
	for {
		now := c.Signs(a.Key).Now
		switch {
		case c.hasTerminal(a.Key):
			return nil
		case headless(now):
			return fmt.Errorf("agent %s has no terminal: it works headless\n  hint: sudo fleet logs %s --follow", a.Key, a.Key)
		case !said:
			c.Log("the first session of %s begins; waiting for it, Ctrl-C leaves", a.Key)
			said = true
		}
		select {
		case <-ctx.Done():
			return errors.New("left before a session began")
		case <-time.After(lookEvery):
		}
		if err := c.mayAttach(ctx, a); err != nil {
			return err
		}
	}
}

// nextSession says when it begins, by what the agent says.
func (c Control) nextSession(now session.Now) string {
	if wait := time.Until(now.At); wait > 0 && wait < 100*24*time.Hour {
		return fmt.Sprintf(", the next one begins in %s", wait.Round(time.Second))
	}
	return ""
}

// headless reports whether an agent has had the time to make its terminal, which then outlives its sessions.
func headless(now session.Now) bool {
	switch now.State {
	case session.Pausing:
		return now.N > 0
	case session.Working:
		return time.Since(now.At) > firstPrepare
	}
	return false
}

// tmuxSocket is the name of the agent's own tmux socket, in its folder in /run. Nobody but the agent connects to it.
const tmuxSocket = "tmux"

func (f *Fleet) hasTerminal(key string) bool {
	d, err := safefile.Open(f.AgentOwn(key))
	if err != nil {
		return false
	}
	defer d.Close()
	info, err := d.Stat(tmuxSocket)
	return err == nil && info.Mode.Type() == fs.ModeSocket
}

// watch closes ended when the unit has.
func (c Control) watch(ctx context.Context, unit string, ended chan<- struct{}) {
	for ctx.Err() == nil {
		if !c.Systemd.Running(ctx, unit) && ctx.Err() == nil {
			close(ended)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// detach ends the agent's side of the terminal, also where the caller was interrupted.
func (c Control) detach(ctx context.Context, unit string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*attachStop)
	defer cancel()
	jobs := []systemd.Job{{Unit: unit, Kind: systemd.Stop}}
	for _, res := range c.Systemd.Jobs(ctx, c.fx, jobs, attachStop, nil) {
		if !res.OK() && c.Systemd.Running(ctx, unit) {
			if err := c.Systemd.Kill(ctx, c.fx, unit); err != nil {
				c.Log("%s", err)
			}
		}
	}
}
