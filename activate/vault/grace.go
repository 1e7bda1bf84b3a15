package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/activate/systemd"
)

// Bounds of a grace.
const (
	MinGrace = time.Second
	MaxGrace = 30 * 24 * time.Hour
)

// A timer of systemd's ends a grace, so that it ends after a reboot and without this tool too. Its units stand with what
// an administrator installs; they remove the value and themselves. No project's unit has a name without a dash after
// "fleet".
const unitFolder = "/etc/systemd/system"

// graceUnit names the units that end the grace of a secret.
func graceUnit(project, name string) string { return "fleetgrace-" + project + "-" + name }

// gracePaths are the timer, the link that starts it at boot, the service, and what systemd keeps of a persistent timer.
func (v *Vault) gracePaths(name string) (timer, wants, service, stamp string) {
	dir, unit := v.Root+unitFolder, graceUnit(v.Project, name)
	return filepath.Join(dir, unit+".timer"), filepath.Join(dir, "timers.target.wants", unit+".timer"),
		filepath.Join(dir, unit+".service"), v.Root + "/var/lib/systemd/timers/stamp-" + unit + ".timer"
}

// Rotate sets a value and keeps the one before it beside it. The caller then lets the grace end by StartGrace; killed in
// between, the value before is kept until the next rotation or its end.
func (v *Vault) Rotate(ctx context.Context, name string, value Value) error {
	old, err := v.Read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no value yet\n  hint: sudo fleet secret set %s", name, name)
	}
	if err != nil {
		return fmt.Errorf("%w\n  hint: a value that cannot be read cannot be kept: sudo fleet secret set %s", err, name)
	}
	defer old.Wipe()
	if old.Equal(value) {
		return fmt.Errorf("%s has this value already\n  hint: nothing was changed; give the new one", name)
	}
	kept, err := v.seal(ctx, Previous(name), old)
	if err != nil {
		return fmt.Errorf("encrypt %s: %w", Previous(name), err)
	}
	sealed, err := v.seal(ctx, name, value)
	if err != nil {
		return fmt.Errorf("encrypt %s: %w", name, err)
	}
	if err := v.write(Previous(name), kept); err != nil {
		return err
	}
	return v.write(name, sealed)
}

// Manager is systemd's, or a test's.
type Manager interface {
	Reload(ctx context.Context, fx system.Effects) error
	Jobs(
		ctx context.Context, fx system.Effects, jobs []systemd.Job, limit time.Duration, progress func(systemd.JobResult),
	) []systemd.JobResult
}

// StartGrace writes the units that end a grace at the given time and starts the timer. Where the host is off at that
// time, the grace ends when it boots.
func (v *Vault) StartGrace(ctx context.Context, sd Manager, name string, end time.Time) error {
	timer, wants, service, stamp := v.gracePaths(name)
	title := fmt.Sprintf("fleet %s: end of the grace of secret %s", v.Project, name)
	texts := map[string]string{
		service: fmt.Sprintf("[Unit]\nDescription=%s\n\n[Service]\nType=oneshot\nExecStart=/bin/rm -f -- %s %s %s %s %s\n",
			title, v.Secret(Previous(name)), wants, timer, service, stamp),
		timer: fmt.Sprintf("[Unit]\nDescription=%s\n\n[Timer]\nOnCalendar=%s\nAccuracySec=1s\nPersistent=yes\n",
			title, end.UTC().Format("2006-01-02 15:04:05 UTC")),
	}
	for _, path := range []string{service, timer} {
		if err := safefile.Write(v.fx, path, []byte(texts[path]), 0o644); err != nil {
			return err
		}
	}
	dir := filepath.Dir(wants)
	if err := v.fx.Do("make "+dir, func() error { return os.MkdirAll(dir, 0o755) }); err != nil {
		return err
	}
	if err := safefile.Link(v.fx, dir, filepath.Base(wants), "../"+filepath.Base(timer)); err != nil {
		return err
	}
	if err := sd.Reload(ctx, v.fx); err != nil {
		return err
	}
	jobs := []systemd.Job{{Unit: filepath.Base(timer), Kind: systemd.Restart}}
	res := sd.Jobs(ctx, v.fx, jobs, graceJob, nil)[0]
	if !res.OK() {
		return fmt.Errorf("start %s: %s %w", res.Unit, res.Result, res.Err)
	}
	return nil
}

// graceJob bounds the start of a timer.
const graceJob = 30 * time.Second

// InGrace reports whether a timer waits to end the grace of a secret, or a value from before a rotation is there.
func (v *Vault) InGrace(name string) bool {
	timer, _, _, _ := v.gracePaths(name)
	_, err := os.Lstat(timer)
	return err == nil || v.Has(Previous(name))
}

// EndGrace removes what a rotation kept, and the units that would. Without a manager the timer stays in systemd's memory;
// it then removes what is gone.
func (v *Vault) EndGrace(ctx context.Context, sd Manager, name string) error {
	timer, wants, service, stamp := v.gracePaths(name)
	_, err := os.Lstat(timer)
	if sd != nil && err == nil {
		// One that cannot be stopped does no harm either.
		sd.Jobs(ctx, v.fx, []systemd.Job{{Unit: filepath.Base(timer), Kind: systemd.Stop}}, graceJob, nil)
	}
	for _, path := range []string{v.Secret(Previous(name)), wants, timer, service, stamp} {
		if err := safefile.Remove(v.fx, path); err != nil {
			return err
		}
	}
	return nil
}

// EndGraces ends all graces of the project.
func (v *Vault) EndGraces(ctx context.Context, sd Manager) error {
	names := map[string]bool{}
	prefix := graceUnit(v.Project, "")
	for pattern, cut := range map[string][2]string{
		v.Secrets() + "/*" + previousSuffix:                    {"", previousSuffix},
		v.Root + unitFolder + "/" + prefix + "*.timer":         {prefix, ".timer"},
		v.Root + unitFolder + "/" + prefix + "*.service":       {prefix, ".service"},
		v.Root + unitFolder + "/*.wants/" + prefix + "*.timer": {prefix, ".timer"},
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range found {
			name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(path), cut[1]), cut[0])
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := v.EndGrace(ctx, sd, name); err != nil {
			return err
		}
	}
	return nil
}
