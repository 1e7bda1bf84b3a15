package drift

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"fleet/activate/profile"
	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
)

// definition returns what generation n says of a unit.
func definition(p *profile.Profile, n int, name string) (unitfile.Unit, error) {
	text, err := os.ReadFile(filepath.Join(p.Generation(n), "units", name))
	if err != nil {
		return nil, err
	}
	return unitfile.Parse(text)
}

// recordedDefinition returns the definition of this digest from the newest generation on the host that has it.
func recordedDefinition(p *profile.Profile, name, digest string) (unitfile.Unit, error) {
	numbers, err := p.Numbers()
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(numbers) {
		m, err := p.Read(n)
		if err != nil {
			continue // a damaged generation is no source of anything
		}
		if slices.ContainsFunc(m.Units, func(u manifest.Unit) bool { return u.Name == name && u.Digest == digest }) {
			return definition(p, n, name)
		}
	}
	return nil, fmt.Errorf("no generation on this host has %s of digest %s", name, digest)
}

// differ reports whether two definitions mean different things.
func differ(a, b unitfile.Unit) bool { return len(unitfile.Diff(a, b)) > 0 }
