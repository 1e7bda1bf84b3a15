package unitfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Set is a folder of unit files with its drop-ins (NAME.d/*.conf) and the links of NAME.wants/ and NAME.requires/.
type Set struct {
	fragments map[string]Unit
	dropIns   map[string][]dropIn // by the unit that the folder is for
	pulls     map[string][]string // NAME.wants/ and NAME.requires/, by NAME
	requires  map[string][]string // NAME.requires/ alone
	merged    map[string]Unit     // every fragment with its drop-ins
	starters  map[string][]string // triggered unit to the sockets, timers and paths that start it
	instances []string            // instances of templates that a link of a folder pulls in
}

type dropIn struct {
	file string
	unit Unit
}

// Load reads a units/ folder. A file that systemd would refuse is an error.
func Load(fsys fs.FS) (*Set, error) {
	s := &Set{
		fragments: map[string]Unit{}, dropIns: map[string][]dropIn{},
		pulls: map[string][]string{}, requires: map[string][]string{},
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read units: %w", err)
	}
	var faults []error
	for _, e := range entries {
		faults = append(faults, s.load(fsys, e))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s.index()
	return s, nil
}

// index does what would else be done over again at every question.
func (s *Set) index() {
	for _, names := range s.pulls {
		for _, name := range names {
			if _, own := s.fragments[name]; !own && s.Has(name) {
				s.instances = append(s.instances, name)
			}
		}
	}
	s.merged, s.starters = map[string]Unit{}, map[string][]string{}
	for name := range s.fragments {
		s.merged[name] = s.merge(name)
	}
	for _, name := range s.Names() {
		if t := s.Triggers(name); t != "" {
			s.starters[t] = append(s.starters[t], name)
		}
	}
}

func (s *Set) load(fsys fs.FS, e fs.DirEntry) error {
	if !e.IsDir() {
		u, err := parseFile(fsys, e.Name())
		s.fragments[e.Name()] = u
		return err
	}
	entries, err := fs.ReadDir(fsys, e.Name())
	if err != nil {
		return fmt.Errorf("read units: %w", err)
	}
	owner := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
	for _, f := range entries {
		switch path.Ext(e.Name()) {
		case ".wants":
			s.pulls[owner] = append(s.pulls[owner], f.Name())
		case ".requires":
			s.pulls[owner] = append(s.pulls[owner], f.Name())
			s.requires[owner] = append(s.requires[owner], f.Name())
		case ".d":
			if path.Ext(f.Name()) != ".conf" {
				continue
			}
			u, err := parseFile(fsys, path.Join(e.Name(), f.Name()))
			if err != nil {
				return err
			}
			s.dropIns[owner] = append(s.dropIns[owner], dropIn{f.Name(), u})
		}
	}
	return nil
}

func parseFile(fsys fs.FS, name string) (Unit, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read units: %w", err)
	}
	u, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("units/%s: %w", name, err)
	}
	return u, nil
}

// Names returns the units of the set that run as they are: all but templates, and the instances of those that folders
// pull in, sorted.
func (s *Set) Names() []string {
	out := slices.Clone(s.instances)
	for name := range s.fragments {
		if !IsTemplate(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Templates returns the template units of the set, sorted.
func (s *Set) Templates() []string {
	var out []string
	for name := range s.fragments {
		if IsTemplate(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// IsTemplate reports whether name is a template, such as a@.service.
func IsTemplate(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, path.Ext(name)), "@")
}

// Template returns the template of an instance (a@1.service is one of a@.service), "" for any other unit.
func Template(name string) string {
	stem, _, found := strings.Cut(name, "@")
	if !found || IsTemplate(name) {
		return ""
	}
	return stem + "@" + path.Ext(name)
}

// Has reports whether the set defines the unit, by itself or by its template.
func (s *Set) Has(name string) bool {
	_, own := s.fragments[name]
	_, template := s.fragments[Template(name)]
	return own || template
}

// Unit returns the unit with the set's drop-ins merged; an instance without a file of its own comes from its template.
// A unit that the set lacks is nil. Callers do not change it.
func (s *Set) Unit(name string) Unit {
	if u, found := s.merged[name]; found {
		return u
	}
	return s.merge(name)
}

func (s *Set) merge(name string) Unit {
	u, found := s.fragments[name]
	if !found {
		u, found = s.fragments[Template(name)]
	}
	if !found {
		return nil
	}
	var parts []Unit
	for _, d := range s.dropInsOf(name) {
		parts = append(parts, d.unit)
	}
	return u.Merge(parts...)
}

// dropInsOf returns the drop-ins in systemd's order: by file name over all folders, and of two with the same name the
// one in the more special folder (systemd.unit(5)).
func (s *Set) dropInsOf(name string) []dropIn {
	var out []dropIn
	for _, folder := range dropInFolders(name) {
		for _, d := range s.dropIns[folder] {
			if !slices.ContainsFunc(out, func(o dropIn) bool { return o.file == d.file }) {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b dropIn) int { return strings.Compare(a.file, b.file) })
	return out
}

// dropInFolders returns what NAME.d/ folders apply, the most special one first: the unit, its template, the prefixes
// that end in a dash, its type.
func dropInFolders(name string) []string {
	ext := path.Ext(name)
	out := []string{name}
	if t := Template(name); t != "" {
		out = append(out, t)
	}
	stem, _, _ := strings.Cut(strings.TrimSuffix(name, ext), "@")
	for i := len(stem) - 1; i > 0; i-- {
		if stem[i-1] == '-' {
			out = append(out, stem[:i]+ext)
		}
	}
	return append(out, strings.TrimPrefix(ext, "."))
}
