package gates

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fleet/activate/agents"
	"fleet/activate/boottime"
	"fleet/activate/plaintext"
	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

// Switcher sets what an operator sets on a host beside the policy: it writes a file, tells the gate, sees whether it is
// in force, and ends a gate that does not answer in time, since each reads the files when it starts.
type Switcher struct {
	agents.Control
	FX system.Effects
}

// What was done to an agent.
const (
	DidCut     = "cut off"
	DidRestore = "restored"
	DidOpen    = "bypassed"
	DidEnd     = "bypass ended"
)

// Notes of outcomes.
const (
	noteIdle   = "its gate did not run"
	noteStarts = "its gate starts"
	noteKilled = "its gate did not answer and was killed"
)

// Cut stops all traffic of agents, what is open too, until Restore, over restarts and boots.
func (s Switcher) Cut(ctx context.Context, keys []string, why string) []agents.Outcome {
	return s.each(keys, func(key string) (did, note string, err error) {
		if err := s.write(s.Profile.Cut(key), []byte(why+"\n")); err != nil {
			return "", "", err
		}
		note, err = s.force(ctx, key, func(t *egress.Status) bool { return t.Cut })
		return DidCut, note, err
	})
}

// Restore ends what Cut began.
func (s Switcher) Restore(ctx context.Context, keys []string) []agents.Outcome {
	return s.each(keys, func(key string) (did, note string, err error) {
		was := exists(s.Profile.Cut(key))
		if err := safefile.Remove(s.FX, s.Profile.Cut(key)); err != nil {
			return "", "", err
		}
		if !was {
			note = "was not cut off"
		}
		forced, err := s.force(ctx, key, func(t *egress.Status) bool { return !t.Cut })
		return DidRestore, strings.Join(nonEmpty(note, forced), ", "), err
	})
}

// Gone removes the cuts of agents that the live generation does not have, and returns their keys.
func (s Switcher) Gone() ([]string, error) {
	entries, err := os.ReadDir(s.CutDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if slices.Contains(s.Manifest.Gated(), e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := safefile.Remove(s.FX, s.Profile.Cut(e.Name())); err != nil {
			return out, err
		}
		out = append(out, e.Name())
	}
	return out, nil
}

// Bypass lets an agent reach what no rule allows, for at most policy.MaxBypass. What is unsafe stays refused.
func (s Switcher) Bypass(ctx context.Context, key string, last time.Duration, reason, by string) agents.Outcome {
	return s.each([]string{key}, func(key string) (did, note string, err error) {
		boot, err := boottime.ID()
		if err != nil {
			return "", "", err
		}
		b := &policy.Bypass{
			Version: policy.BypassVersion, Until: int64(boottime.Now() + last), BootID: boot, Reason: reason, By: by,
		}
		text, err := policy.EncodeBypass(b)
		if err != nil {
			return "", "", err
		}
		if err := s.write(s.Profile.Bypass(key), text); err != nil {
			return "", "", err
		}
		note, err = s.force(ctx, key, func(t *egress.Status) bool { return t.Bypass != nil && t.Bypass.Until == b.Until })
		if exists(s.Profile.Cut(key)) {
			note = strings.Join(nonEmpty(note, "but it is cut off, which goes before"), ", ")
		}
		return DidOpen, note, err
	})[0]
}

// EndBypass ends a bypass before its time.
func (s Switcher) EndBypass(ctx context.Context, key string) agents.Outcome {
	return s.each([]string{key}, func(key string) (did, note string, err error) {
		if err := safefile.Remove(s.FX, s.Profile.Bypass(key)); err != nil {
			return "", "", err
		}
		note, err = s.force(ctx, key, func(t *egress.Status) bool { return t.Bypass == nil })
		return DidEnd, note, err
	})[0]
}

// each does the same to all at once: a gate that hangs holds up no other.
func (s Switcher) each(keys []string, do func(key string) (did, note string, err error)) []agents.Outcome {
	out := make([]agents.Outcome, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() {
			did, note, err := do(key)
			out[i] = agents.Outcome{Agent: key, Did: did, Note: note}
			if err != nil {
				out[i] = agents.Outcome{Agent: key, Error: err.Error()}
			}
		})
	}
	all.Wait()
	return out
}

// write puts a file where gates look for it.
func (s Switcher) write(path string, text []byte) error {
	return safefile.Write(s.FX, path, text, 0o644)
}

// askEvery is short against what a person notices.
const askEvery = 10 * time.Millisecond

// force makes a gate read the files, and returns how where that is worth to be known.
func (s Switcher) force(ctx context.Context, key string, isIn func(*egress.Status) bool) (note string, err error) {
	unit := Service(s.Project, key)
	u, err := s.Systemd.Unit(ctx, unit)
	if err != nil {
		return "", err
	}
	if !u.Running() {
		return noteIdle, nil
	}
	if s.await(ctx, key, isIn) {
		return "", nil
	}
	err = s.Systemd.Signal(ctx, s.FX, unit, syscall.SIGKILL)
	if err != nil {
		if u, again := s.Systemd.Unit(ctx, unit); again == nil && u.MainPID == 0 {
			return noteStarts, nil
		}
		return "", fmt.Errorf("the gate does not answer and cannot be killed: %w\n  hint: sudo systemctl kill -s KILL %s", err, unit)
	}
	return noteKilled, nil
}

// await tells a gate to read the files and waits until they are in force, for as long as it may take. One that starts
// has no process to tell yet.
func (s Switcher) await(ctx context.Context, key string, isIn func(*egress.Status) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for told := false; ctx.Err() == nil; {
		told = told || s.Systemd.Signal(ctx, s.FX, Service(s.Project, key), syscall.SIGHUP) == nil
		if t, err := egress.Ask(ctx, s.GateControl(key)); told && err == nil && isIn(t) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
	return false
}

// By names who acts, as records and files have it.
func By() string {
	by := os.Getenv("SUDO_USER")
	if by == "" {
		by = "root"
	}
	return plaintext.Short(by, 64)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func nonEmpty(all ...string) (out []string) {
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
