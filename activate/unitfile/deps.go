package unitfile

import (
	"path"
	"slices"
	"strings"
)

// Pulls returns what starting the unit starts too: Wants=, Requires=, BindsTo=, Upholds= and the links of its folders.
func (s *Set) Pulls(name string) []string {
	return s.related(name, s.pulls[name], "Wants", "Requires", "BindsTo", "Upholds")
}

// StoppedBy returns the units whose stop stops this one too: Requires=, Requisite=, BindsTo=, PartOf=,
// StopPropagatedFrom= and the slice that it is in.
func (s *Set) StoppedBy(name string) []string {
	return append(s.RestartedBy(name), s.related(name, nil, "StopPropagatedFrom")...)
}

// RestartedBy returns the units whose restart restarts this one too: those of StoppedBy but StopPropagatedFrom=.
func (s *Set) RestartedBy(name string) []string {
	out := s.related(name, s.requires[name], "Requires", "Requisite", "BindsTo", "PartOf")
	u := s.Unit(name)
	for _, section := range sorted(u) {
		if slice := u.Last(section, "Slice"); slice != "" {
			out = append(out, slice)
		}
	}
	return out
}

// Needs returns what must be active for the unit to start: Requires=, Requisite= and BindsTo=.
func (s *Set) Needs(name string) []string {
	return s.related(name, s.requires[name], "Requires", "Requisite", "BindsTo")
}

// External returns the links of folders whose unit is not in the set, such as multi-user.target.wants/.
func (s *Set) External() []string {
	var out []string
	for owner, names := range s.pulls {
		if !s.Has(owner) {
			out = append(out, names...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Set) related(name string, links []string, keys ...string) []string {
	out := slices.Clone(links)
	u := s.Unit(name)
	for _, key := range keys {
		for _, value := range u.Values("Unit", key) {
			for _, word := range strings.Fields(value) {
				out = append(out, expand(strings.Trim(word, `"'`), name))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// expand replaces the specifiers that stand for the unit's own name (systemd.unit(5)).
func expand(word, name string) string {
	full := strings.TrimSuffix(name, path.Ext(name))
	prefix, instance, _ := strings.Cut(full, "@")
	return strings.NewReplacer("%%", "%", "%n", name, "%N", full, "%p", prefix, "%i", instance).Replace(word)
}

// triggerKey names the key by which a unit of the type names what it starts.
var triggerKey = map[string]string{".socket": "Service", ".timer": "Unit", ".path": "Unit"}

// Triggers returns the unit that a socket, timer or path unit starts, "" for any other unit. A socket with Accept=yes
// starts instances of a template.
func (s *Set) Triggers(name string) string {
	stem, ext := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
	u := s.Unit(name)
	key := triggerKey[ext]
	switch {
	case key == "" || u == nil:
		return ""
	case ext == ".socket" && u.Bool("Socket", "Accept"):
		return stem + "@.service"
	}
	section := strings.ToUpper(ext[1:2]) + ext[2:]
	if named := u.Last(section, key); named != "" {
		return expand(named, name)
	}
	return stem + ".service"
}

// TriggeredBy returns the units of the given type (such as ".socket") that start name, sorted.
func (s *Set) TriggeredBy(name, ext string) []string {
	var out []string
	for _, trigger := range slices.Concat(s.starters[name], s.starters[Template(name)]) {
		if path.Ext(trigger) == ext {
			out = append(out, trigger)
		}
	}
	slices.Sort(out)
	return out
}
