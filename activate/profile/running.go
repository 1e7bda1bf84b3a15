package profile

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"fleet/activate/safefile"
	"fleet/schemas/manifest"
)

// Instance is what libexec/record wrote of a running unit.
type Instance struct{ Digest, Invocation string }

var instanceForm = regexp.MustCompile(`^([0-9a-f]{32}) ([0-9a-f]{32})\n?$`)

// Running returns what was recorded of units that started since boot, by unit name. A unit that ended since is still
// among them: compare the invocation with systemd's.
func (p *Profile) Running() (map[string]Instance, error) {
	out := map[string]Instance{}
	d, err := safefile.Open(p.RunningUnits())
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.List(".", manifest.MaxFiles)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := d.Read(name, 128)
		if errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(name, ".") {
			continue // being replaced just now: it is there under its name
		}
		if err != nil {
			return nil, err
		}
		if f := instanceForm.FindStringSubmatch(string(b)); f != nil {
			out[name] = Instance{Digest: f[1], Invocation: f[2]}
		}
	}
	return out, nil
}
