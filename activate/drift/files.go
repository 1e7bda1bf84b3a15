package drift

import (
	"errors"
	"strings"

	"fleet/activate/profile"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// restoreHint is the remedy where files of the live generation are not what was built.
const restoreHint = "build it again and run sudo fleet switch, or sudo fleet rollback"

// files compares the generation's folder and the store with their hashes.
func (l *list) files(p *profile.Profile, n int, m *manifest.Manifest) {
	_, err := p.Verify(n)
	var faults *report.Err
	switch {
	case errors.As(err, &faults):
		r := faults.Report
		for i := range r.Entries {
			r.Entries[i].Hint = restoreHint
		}
		l.report(Generation, r)
	case err != nil:
		l.add(Generation, p.Generation(n), restoreHint, "%v", err)
	}
	for _, name := range p.VerifyStore(m) {
		l.add(Generation, p.Store()+"/"+name, restoreHint, "is missing or damaged")
	}
}

// links tells which generations cannot be booted: the one that is to boot, and those that stand in for it.
func (l *list) links(p *profile.Profile, live int) {
	boots, err := p.Boots()
	if err != nil {
		l.add(Link, p.Dir(), "switch again: sudo fleet switch", "%v", err)
		return
	}
	for i, n := range boots {
		if n == 0 || n == live {
			continue
		}
		if _, err := p.Verify(n); err != nil {
			name := [...]string{"boot", "boot.1", "boot.2"}[i]
			first, _, _ := strings.Cut(err.Error(), "\n")
			l.add(Link, p.Dir()+"/"+name, "switch again: sudo fleet switch", "leads to generation %d, which is damaged: %s", n, first)
		}
	}
}
