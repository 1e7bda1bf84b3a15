package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
)

// hostProject returns the project of this host that the command acts on: --project, or the only one.
func (a *app) hostProject() (string, error) {
	all, err := profile.Layout{}.Projects()
	if err != nil {
		return "", err
	}
	if a.project != "" {
		for _, p := range all {
			if p == a.project {
				return p, nil
			}
		}
		return "", withStatus(exitRefused, fmt.Errorf("this host has no project %q%s", a.project, listed(all)))
	}
	switch len(all) {
	case 0:
		return "", withStatus(exitRefused, errors.New("this host runs no fleet\n  hint: fleet build && sudo fleet switch"))
	case 1:
		return all[0], nil
	}
	return "", usage(fmt.Errorf("this host has several projects, name one with --project%s", listed(all)))
}

func listed(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return "\n  hint: it has " + strings.Join(all, ", ")
}

// hostView reads what a host holds of one project.
type hostView struct{ *profile.Profile }

func (a *app) host(project string) hostView {
	return hostView{profile.New(profile.Layout{Project: project}, system.Default())}
}

// active returns the number of the live generation, 0 for none.
func (h hostView) active() int {
	n, err := h.Active()
	if err != nil {
		return 0
	}
	return n
}

// isLive says what a person reads where m is live, confirmed and whole, and no switch is unfinished; "" where a switch
// has something to do.
func (h hostView) isLive(m *manifest.Manifest, s *switchFlags) (string, error) {
	n := h.active()
	boot, err := h.Boot()
	if err != nil || n == 0 || n != boot || s.now || s.force {
		return "", err
	}
	want, err := manifest.Encode(m)
	if err != nil {
		return "", err
	}
	have, err := os.ReadFile(filepath.Join(h.Generation(n), manifest.FileName))
	if err != nil || !bytes.Equal(want, have) {
		return "", nil //nolint:nilerr // a live generation that cannot be read is one more reason to switch
	}
	if _, err := h.Verify(n); err != nil {
		return "", nil //nolint:nilerr // so is a damaged one
	}
	if left, err := h.Unfinished(); err != nil || len(left) > 0 {
		return "", err // units may be stopped, until it is ended
	}
	return fmt.Sprintf("generation %d (%s) is live already, nothing to do", n, m.ID.Short()), nil
}
