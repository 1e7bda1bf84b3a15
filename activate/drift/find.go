package drift

import (
	"context"
	"path/filepath"

	"fleet/activate/firewall"
	"fleet/activate/profile"
	"fleet/activate/systemd"
	"fleet/schemas/manifest"
	"fleet/schemas/status"
)

// Host is what is compared.
type Host struct {
	Profile  *profile.Profile
	Number   int // of the live generation
	Manifest *manifest.Manifest
	Loaded   map[string]systemd.Unit // all units of the generation but templates, as systemd has them
}

// Find returns all differences, sorted by kind and name.
func Find(ctx context.Context, h Host) []status.Drift {
	l := &list{found: []status.Drift{}}
	l.links(h.Profile, h.Number)
	l.files(h.Profile, h.Number, h.Manifest)
	l.units(h.Profile, h.Number, h.Manifest, h.Loaded)
	l.users(h.Profile.Root, h.Manifest)
	l.sudoers(h.Profile)
	l.firewall(ctx, h.Profile, h.Number)
	return l.sorted()
}

// firewall compares the kernel's rules with the generation's.
func (l *list) firewall(ctx context.Context, p *profile.Profile, n int) {
	const hint = "the watchdog loads it again; sudo fleet switch --force does so now"
	found, err := firewall.Drift(ctx, p.Project, filepath.Join(p.Generation(n), "nftables", p.Project+".nft"))
	if err != nil {
		l.add(Firewall, "rules", hint, "cannot be compared: %v", err)
	}
	for _, text := range found {
		l.add(Firewall, "rules", hint, "%s", text)
	}
}

// Serious reports whether a difference makes a project unhealthy. What an administrator did to a unit on purpose does
// not: it is respected, and told.
func Serious(d status.Drift) bool { return d.Kind != Override }

// ManualRestart reports whether the running instance of a unit was started from a definition that means something else
// than the live one, which its policy leaves to a person.
func ManualRestart(p *profile.Profile, n int, u manifest.Unit, loaded systemd.Unit, running map[string]profile.Instance) bool {
	in, recorded := running[u.Name]
	if u.OnChange != manifest.OnChangeManual || !recorded || in.Invocation != loaded.InvocationID || in.Digest == u.Digest {
		return false
	}
	now, err := definition(p, n, u.Name)
	if err != nil {
		return false
	}
	old, err := recordedDefinition(p, u.Name, in.Digest)
	return err != nil || differ(old, now)
}
