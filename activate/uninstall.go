package activate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fleet/activate/install"
	"fleet/activate/profile"
	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/activate/users"
	"fleet/activate/vault"
	"fleet/schemas/manifest"
)

// Uninstall stops everything of a project and takes all of it away from the host but its users, their homes, the records
// of the gates and the vault, which go only with purge. It wants the project's lock held. A second run finishes what a killed one began.
func Uninstall(ctx context.Context, h Host, purge bool) error {
	p := profile.New(h.Layout, h.Effects)
	manifests, err := everManifests(p)
	if err != nil {
		return err
	}
	if err := stopAll(ctx, h, p); err != nil {
		return err
	}
	if err := disarmAll(ctx, h, p); err != nil {
		return err
	}
	if err := endRecords(ctx, h, p.Project, purge); err != nil {
		return err
	}
	if purge {
		if err := removeUsers(ctx, h, manifests); err != nil {
			return err
		}
	}
	if err := install.Remove(h.Effects, h.Layout); err != nil {
		return err
	}
	if err := unmountAll(h); err != nil {
		return err
	}
	if err := vault.New(p, h.Effects, vault.Creds{FX: h.Effects}).EndGraces(ctx, h.Systemd); err != nil {
		return err
	}
	if err := p.Uninstall(purge); err != nil {
		return err
	}
	return h.Systemd.Reload(ctx, h.Effects)
}

// everManifests returns the manifests of all generations that the host holds: they name the users that were made.
func everManifests(p *profile.Profile) ([]*manifest.Manifest, error) {
	numbers, err := p.Numbers()
	if err != nil {
		return nil, err
	}
	var out []*manifest.Manifest
	for _, n := range numbers {
		m, err := p.Read(n)
		if err != nil {
			continue // damaged: its users are in another one, or were never made
		}
		out = append(out, m)
	}
	return out, nil
}

// uninstallJob bounds each stop.
const uninstallJob = 90 * time.Second

// stopAll stops the units of the live generation, agents that do not end being killed.
func stopAll(ctx context.Context, h Host, p *profile.Profile) error {
	active, err := p.Active()
	if err != nil || active == 0 {
		return err
	}
	set, err := unitfile.Load(os.DirFS(p.Generation(active) + "/units"))
	if err != nil {
		return err
	}
	units, err := h.Systemd.Units(ctx, append(set.Names(), "fleet-"+p.Project+"-anchor.service"), set.Templates()...)
	if err != nil {
		return err
	}
	var jobs []systemd.Job
	for name, u := range units {
		if u.Running() {
			jobs = append(jobs, systemd.Job{Unit: name, Kind: systemd.Stop})
		}
	}
	for _, res := range h.Systemd.Jobs(ctx, h.Effects, jobs, uninstallJob, nil) {
		if res.OK() {
			continue
		}
		if err := h.Systemd.Kill(ctx, h.Effects, res.Unit); err != nil {
			return fmt.Errorf("stop %s: %w", res.Unit, err)
		}
	}
	return nil
}

// unmountAll unmounts what is mounted in the project's folder in /run: the agents' own folders there.
func unmountAll(h Host) error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // of proc_pid_mountinfo(5); keys and project have nothing that is escaped
		if len(f) < 5 || !strings.HasPrefix(f[4], h.Layout.Run()+"/") {
			continue
		}
		err := h.Effects.Do("unmount "+f[4], func() error { return unix.Unmount(f[4], unix.MNT_DETACH) })
		if err != nil && !errors.Is(err, unix.EINVAL) { // no mount any more
			return fmt.Errorf("unmount %s: %w", f[4], err)
		}
	}
	return nil
}

// disarmAll ends what unfinished switches left.
func disarmAll(ctx context.Context, h Host, p *profile.Profile) error {
	left, err := p.Unfinished()
	if err != nil {
		return err
	}
	for _, u := range left {
		if err := h.Systemd.DisarmTimer(ctx, h.Effects, deadmanName(p.Project, u.Nonce)); err != nil {
			return err
		}
	}
	return nil
}

// removeUsers deletes the users of a project with their homes, and groups that then have no member.
func removeUsers(ctx context.Context, h Host, manifests []*manifest.Manifest) error {
	done := map[string]bool{}
	for _, m := range manifests {
		for _, u := range m.Users {
			if done[u.Name] {
				continue
			}
			done[u.Name] = true
			if err := removeUser(ctx, h, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeUser deletes one user and its home. The home is moved below root's folder first, so that nothing in it can lead
// the removal elsewhere while it runs; all processes of the user are gone by then.
func removeUser(ctx context.Context, h Host, u manifest.User) error {
	err := system.Run(ctx, h.Effects, "remove user "+u.Name, "userdel", "--", u.Name)
	if err != nil {
		if known, lookErr := users.Known(h.Layout.Root, u.Name); known || lookErr != nil {
			return errors.Join(err, lookErr)
		}
	}
	if _, err := os.Lstat(u.Home); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	trash := h.Layout.State() + "/trash-" + u.Name
	if err := safefile.Rename(h.Effects, u.Home, trash); err != nil {
		return h.Effects.Do("remove "+u.Home, func() error { return os.RemoveAll(u.Home) })
	}
	return h.Effects.Do("remove "+u.Home, func() error { return os.RemoveAll(trash) })
}
