package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// pathKeys hold paths that must be there before the unit starts, each with the sections that it occurs in.
var pathKeys = []string{"BindPaths", "BindReadOnlyPaths", "EnvironmentFile", "LoadCredential", "RootDirectory"}

// storePath is how a unit names a file of the store.
var storePath = regexp.MustCompile(regexp.QuoteMeta(manifest.StoreDir) + `/([0-9a-f]{32}-[A-Za-z0-9._@+-]+)`)

// names checks that every user, group, path and store file that a unit names is there, or is made before the unit
// starts. systemd-analyze looks at programs only.
func names(_ context.Context, q Question) (report.Report, error) {
	var r report.Report
	n := newNamed(q)
	for _, f := range q.Manifest.Files {
		if !strings.HasPrefix(f.Path, "units/") || f.Mode == manifest.ModeLink {
			continue
		}
		text, err := os.ReadFile(filepath.Join(q.Dir, f.Path))
		if err != nil {
			return r, err
		}
		u, err := unitfile.Parse(text)
		if err != nil {
			r.Errorf(f.Path, "%v", err)
			continue
		}
		n.unit(&r, f.Path, u) // what several units name is reported once
		for _, m := range storePath.FindAllStringSubmatch(string(text), -1) {
			if !n.store[m[1]] {
				r.Errorf(f.Path, "names %s, which the generation does not bring", m[0])
			}
		}
	}
	return r, nil
}

// named is what units may name.
type named struct {
	root   string
	store  map[string]bool
	users  map[string]bool
	groups map[string]bool
	own    []string // folders in which paths are made by fleet itself
	told   map[string]bool
}

func newNamed(q Question) named {
	n := named{
		root: q.Layout.Root, store: map[string]bool{}, users: map[string]bool{}, groups: map[string]bool{},
		own: []string{"/etc/fleet", "/run/fleet", "/var/lib/fleet"}, told: map[string]bool{},
	}
	for _, f := range q.Manifest.Files {
		n.store[f.Store] = true
	}
	for _, u := range q.Manifest.Users {
		n.users[u.Name], n.groups[u.Name] = true, true
		n.own = append(n.own, u.Home)
	}
	for _, g := range q.Manifest.Groups {
		n.groups[g] = true
	}
	for file, names := range map[string]map[string]bool{"/etc/passwd": n.users, "/etc/group": n.groups} {
		for _, f := range fields(q.Layout.Root + file) {
			names[f[0]] = true
		}
	}
	return n
}

func (n named) unit(r *report.Report, at string, u unitfile.Unit) {
	for _, section := range slices.Sorted(maps.Keys(u)) {
		n.owner(r, at, "user", u.Last(section, "User"), n.users)
		n.owner(r, at, "user", u.Last(section, "SocketUser"), n.users)
		n.owner(r, at, "group", u.Last(section, "Group"), n.groups)
		n.owner(r, at, "group", u.Last(section, "SocketGroup"), n.groups)
		for _, key := range pathKeys {
			for _, v := range u.Values(section, key) {
				n.paths(r, at, key, v)
			}
		}
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func (n named) owner(r *report.Report, at, what, name string, known map[string]bool) {
	if plainName.MatchString(name) && !known[name] {
		n.tell(r, at, fmt.Sprintf("names %s %q, which this host does not have", what, name), "add it, or change the spec")
	}
}

func (n named) paths(r *report.Report, at, key, value string) {
	for _, p := range sources(key, value) {
		made := slices.ContainsFunc(n.own, func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
		if made || !strings.HasPrefix(p, "/") {
			continue // optional, inside the unit, or made by fleet before the unit starts
		}
		if _, err := os.Stat(n.root + p); errors.Is(err, fs.ErrNotExist) {
			n.tell(r, at, fmt.Sprintf("names %s in %s=, which this host does not have", p, key), "make it, or change the spec")
		}
	}
}

func (n named) tell(r *report.Report, at, message, hint string) {
	if !n.told[message] {
		n.told[message] = true
		r.ErrorHint(at, message, hint)
	}
}

// sources returns the host's paths in a value: for binds the first part of each word, for credentials the second. A
// path with a dash in front may be missing, and one with a specifier is known at start only; neither begins with a
// slash in what is returned.
func sources(key, value string) []string {
	var out []string
	for _, parts := range split(value) {
		p := parts[0]
		if key == "LoadCredential" && len(parts) > 1 {
			p = parts[1]
		}
		if p = strings.ReplaceAll(p, "%%", "\x00"); strings.Contains(p, "%") {
			continue
		}
		out = append(out, strings.TrimPrefix(strings.ReplaceAll(p, "\x00", "%"), "+"))
	}
	return out
}

// split takes a value apart into words at blanks and words into parts at colons, as systemd does: either quote keeps
// both together, a backslash keeps the next character (systemd.syntax(7)).
func split(value string) [][]string {
	var out [][]string
	part, parts := "", []string(nil)
	quote, begun := rune(0), false
	end := func() {
		if begun {
			out = append(out, append(parts, part))
		}
		part, parts, begun = "", nil, false
	}
	escaped := false
	for _, c := range value {
		switch {
		case escaped:
			part, escaped = part+string(c), false
		case c == '\\':
			escaped, begun = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, begun = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			end()
		case quote == 0 && c == ':':
			parts, part, begun = append(parts, part), "", true
		default:
			part, begun = part+string(c), true
		}
	}
	end()
	return out
}
