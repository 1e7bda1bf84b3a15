package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"fleet/schemas/manifest"
)

var storeName = regexp.MustCompile(`^[0-9a-f]{32}-.`)

// collectStore removes what no generation of any project on the host lists. If one cannot be read, nobody can tell what
// it needs, and the store is kept.
func (p *Profile) collectStore(g GC, got *Collected) error {
	if len(got.Warnings) > 0 {
		return nil
	}
	roots, err := p.storeRoots()
	if err != nil {
		got.Warnings = append(got.Warnings, fmt.Sprintf("the store is kept: %v", err))
		return nil
	}
	for _, name := range g.Store {
		roots[name] = true
	}
	entries, err := os.ReadDir(p.Store())
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		name := e.Name()
		if name != storeTemp && (roots[name] || !storeName.MatchString(name)) {
			continue
		}
		err := p.fx.Do("remove store "+name, func() error { return os.Remove(filepath.Join(p.Store(), name)) })
		if err != nil {
			return err
		}
		if name != storeTemp {
			got.Store = append(got.Store, name)
		}
	}
	return nil
}

func (p *Profile) storeRoots() (map[string]bool, error) {
	roots := map[string]bool{}
	dirs, err := filepath.Glob(p.Etc() + "/*/generations/*")
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		if _, ok := number(filepath.Base(dir)); !ok {
			continue
		}
		m, err := manifest.Read(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range m.Files {
			if f.Store != "" {
				roots[f.Store] = true
			}
		}
	}
	return roots, nil
}
