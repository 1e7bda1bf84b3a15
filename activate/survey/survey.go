// Package survey takes the status of a project: what systemd says, what agents and their records say, what differs from
// the generation. It changes nothing.
package survey

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/activate/agents"
	"fleet/activate/drift"
	"fleet/activate/gates"
	"fleet/activate/profile"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
	"fleet/schemas/status"
)

// Take returns the status. known is drift that was found shortly before and is taken over; nil has it looked for, which
// reads every file of the generation.
func Take(ctx context.Context, c agents.Control, known []status.Drift) (*status.Status, error) {
	s := &status.Status{Version: status.Version, Project: c.Project, Time: time.Now().UTC(), Source: status.SourceLive}
	loaded, err := c.Systemd.Units(ctx, unitNames(c.Manifest))
	if err != nil {
		return nil, err
	}
	running, err := c.Running()
	if err != nil {
		return nil, err
	}
	if err := generation(ctx, c, s); err != nil {
		return nil, err
	}
	out := ways(ctx, c, loaded)
	for _, a := range c.Manifest.Agents {
		one, err := takeAgent(ctx, c, a, running)
		if err != nil {
			return nil, err
		}
		out[a.Key].to(&one)
		s.Agents = append(s.Agents, one)
	}
	for _, one := range c.Manifest.Sidecars {
		w := out[one.Key]
		s.Sidecars = append(s.Sidecars, status.Sidecar{
			Key: one.Key, Unit: one.Unit, State: loaded[one.Unit].ActiveState, Agents: one.Agents,
			Gate: w.gate, Egress: w.egress, Reason: w.fault,
		})
	}
	if s.Drift = known; known == nil {
		s.Drift = drift.Find(ctx, drift.Host{Profile: c.Profile, Number: c.Number, Manifest: c.Manifest, Loaded: loaded})
	}
	s.Reasons = append(s.Reasons, unitReasons(c.Manifest, loaded)...)
	s.Reasons = append(s.Reasons, alerts(c)...)
	s.Healthy = healthy(s)
	return s, nil
}

// unitNames returns the units of a generation that can be loaded: all but templates.
func unitNames(m *manifest.Manifest) []string {
	var out []string
	for _, u := range m.Units {
		if !unitfile.IsTemplate(u.Name) {
			out = append(out, u.Name)
		}
	}
	return out
}

// generation tells which generation is live, since when, and whether it stays.
func generation(ctx context.Context, c agents.Control, s *status.Status) error {
	boot, err := c.Boot()
	if err != nil {
		return err
	}
	s.Generation = status.Generation{Number: c.Number, ID: string(c.Manifest.ID), State: status.Unconfirmed, Boot: boot}
	if boot == c.Number {
		s.Generation.State = status.Confirmed
	}
	// The link is made anew at each switch and at each boot.
	if st, err := os.Lstat(filepath.Join(c.Profile.Run(), "active")); err == nil {
		s.Generation.Since = st.ModTime().UTC()
	}
	unfinished, err := c.Unfinished()
	if err != nil {
		return err
	}
	for _, u := range unfinished {
		reason, reverting := switching(ctx, c, u)
		if reason != "" {
			s.Reasons = append(s.Reasons, reason)
		}
		if reverting {
			s.Generation.State = status.Reverting
		}
	}
	return nil
}

// healthy reports whether nothing calls for a person.
func healthy(s *status.Status) bool {
	for _, a := range s.Agents {
		if !a.Healthy {
			return false
		}
	}
	if slices.ContainsFunc(s.Sidecars, func(one status.Sidecar) bool { return one.Reason != "" }) {
		return false
	}
	for _, d := range s.Drift {
		if drift.Serious(d) {
			return false
		}
	}
	return len(s.Reasons) == 0
}

// unitReasons names what of the project's own units does not run as it should: those that must be active always, and
// those that failed. Agents are told apart.
func unitReasons(m *manifest.Manifest, loaded map[string]systemd.Unit) []string {
	own := map[string]bool{}
	for _, a := range m.Agents {
		own[a.Unit] = true
	}
	for _, key := range m.Gated() {
		own[gates.Socket(m.Project, key)], own[gates.Service(m.Project, key)] = true, true
	}
	must := map[string]bool{}
	for _, name := range []string{".target", "-firewall.service", "-watchdog.timer"} {
		must["fleet-"+m.Project+name] = true
	}
	var out []string
	for _, name := range unitNames(m) {
		u := loaded[name]
		switch {
		case own[name] || u.LoadState == "masked":
		case u.ActiveState == "failed" && !strings.Contains(name, "-job-"):
			out = append(out, fmt.Sprintf("%s has failed (%s); journalctl -u %s tells why", name, u.Result, name))
		case must[name] && u.ActiveState != "active":
			out = append(out, fmt.Sprintf("%s is %s; systemctl start %s", name, u.ActiveState, name))
		}
	}
	return out
}

// switching tells what an unfinished switch means: one that a process still works on is no fault, and one that was
// killed when it was through has nothing left to do that matters.
func switching(ctx context.Context, c agents.Control, u profile.Unfinished) (reason string, reverting bool) {
	if u.Txn == nil {
		return fmt.Sprintf("the record of the switch %s cannot be read: %v", u.Nonce, u.Err), false
	}
	interrupted := fmt.Sprintf("a switch to generation %d was interrupted in %s", u.Txn.To, u.Txn.Phase)
	switch running := c.Systemd.Running(ctx, u.Txn.Unit); {
	case u.Committed:
		return "", false
	case u.Reverted && len(u.Failed) > 0:
		return interrupted + " and undone, but " + strings.Join(u.Failed, ", ") + " did not come back", false
	case u.Reverted:
		return interrupted + " and undone; sudo fleet switch tries it again", false
	case u.Txn.Reason != "":
		return fmt.Sprintf("the switch to generation %d is being undone: %s", u.Txn.To, u.Txn.Reason), true
	case running:
		return "", false
	}
	return interrupted + "; the dead man undoes it, or sudo fleet switch goes on", false
}

// The watchdog notes in its folder, which is root's, for which subject it has told of a fault that is not over: the key
// of an agent, or a part of the project.
const (
	watchdogDir = "watchdog"
	toldSuffix  = ".told"
)

func alertFile(c agents.Control, subject string) string {
	return filepath.Join(c.Profile.Run(), watchdogDir, subject+toldSuffix)
}

// alerts names what the watchdog told of beside agents.
func alerts(c agents.Control) []string {
	entries, err := os.ReadDir(filepath.Join(c.Profile.Run(), watchdogDir))
	if err != nil {
		return nil
	}
	agent := map[string]bool{}
	for _, key := range append(c.Keys(), c.Manifest.Gated()...) {
		agent[key] = true
	}
	var out []string
	for _, e := range entries {
		if subject, ok := strings.CutSuffix(e.Name(), toldSuffix); ok && !agent[subject] {
			out = append(out, fmt.Sprintf("the watchdog raised an alert about %s: journalctl -p err -u fleet-%s-watchdog tells why", subject, c.Project))
		}
	}
	return out
}
