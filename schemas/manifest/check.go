package manifest

import (
	"crypto/sha256"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"fleet/schemas/report"
)

var (
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	agentKey    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
	userName    = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	sidecarKey  = regexp.MustCompile(`^sidecar-[a-z][a-z0-9-]{0,31}$`)
	secretName  = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	unitName    = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|target|slice|path|mount)$`)
)

// ReservedKeys are names that no agent may have: files and folders beside the agents' own in /run/fleet/PROJECT.
var ReservedKeys = []string{
	"active", "anchor", "chat", "egress", "firewall", "host", "probe", "pts", "switch", "txn", "units", "watchdog",
}

// ReservedProjects are names that no project may have: folders beside the projects' own in /var/lib/fleet.
var ReservedProjects = []string{"store"}

// fileModes are the modes that a file may have on a host, by what they are for.
var fileModes = map[string]bool{"0444": true, "0555": true, "0440": true, ModeLink: true}

// maxFaults bounds a report on a hostile input.
const maxFaults = 100

// Check reports every value that could harm a host or mislead a reader, whatever wrote it: paths that leave the tree,
// two files of one path, links, modes, hashes, names that are not this project's, control characters.
func (m *Manifest) Check() report.Report {
	c := checker{m: m, paths: make(map[string]int, len(m.Files))}
	if v := reflect.ValueOf(m).Elem(); !clean(v) {
		c.texts(v, "")
	}
	c.head()
	c.files()
	c.users()
	c.units()
	for i, s := range m.Sidecars {
		at := fmt.Sprintf("sidecars[%d]", i)
		c.must(s.Key == "chat" || sidecarKey.MatchString(s.Key), at+".key", "%q must be chat or begin with sidecar-", s.Key)
		c.must(s.User == m.Project+"-"+s.Key, at+".user", "%q must be %q", s.User, m.Project+"-"+s.Key)
	}
	for i, s := range m.Secrets {
		c.must(secretName.MatchString(s.Name), fmt.Sprintf("secrets[%d].name", i), "%q must be upper-case letters, digits and underscores", s.Name)
	}
	for i := range c.r.Entries {
		c.r.Entries[i].Where = FileName
	}
	return c.r
}

type checker struct {
	m     *Manifest
	r     report.Report
	paths map[string]int // their index in Files
}

func (c *checker) must(ok bool, at, format string, args ...any) bool {
	if !ok && len(c.r.Entries) < maxFaults {
		c.r.Errorf(at, format, args...)
	}
	return ok
}

// isHex reports whether s is that many lower-case hex digits.
func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// clean tells whether no string below v has a control character. It says no paths: there are hundreds of thousands.
func clean(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return !strings.ContainsFunc(v.String(), unicode.IsControl)
	case reflect.Struct:
		for i := range v.NumField() {
			if !clean(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !clean(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if !clean(k) || !clean(v.MapIndex(k)) {
				return false
			}
		}
	}
	return true
}

// texts reports every string that is not clean: all of them reach terminals, logs or line-based lists.
func (c *checker) texts(v reflect.Value, at string) {
	switch v.Kind() {
	case reflect.String:
		c.must(!strings.ContainsFunc(v.String(), unicode.IsControl), at, "%q must have no control characters", v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			c.texts(v.Field(i), strings.TrimPrefix(at+"."+name, "."))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			c.texts(v.Index(i), fmt.Sprintf("%s[%d]", at, i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			c.texts(k, at)
			c.texts(v.MapIndex(k), at)
		}
	}
}

func (c *checker) head() {
	m := c.m
	c.must(m.Version == Version, "version", "must be %d, is %d", Version, m.Version)
	c.must(projectName.MatchString(m.Project), "project", "%q must be at most 12 lower-case letters and digits", m.Project)
	c.must(!slices.Contains(ReservedProjects, m.Project), "project",
		"%q is the name of a folder of fleet's own", m.Project)
	c.must(m.Table == TableName(m.Project), "table", "%q must be %q", m.Table, TableName(m.Project))
	c.must(m.Retention >= 1, "retention", "must be at least 1, is %d", m.Retention)
	c.must(m.UIDs[0] > 0 && m.UIDs[0] <= m.UIDs[1] && m.UIDs[1] < 1<<31, "uids",
		"%v must be a range of positive numbers", m.UIDs)
	a := m.Activation
	for at, v := range map[string]int{"health": a.Health, "deadman": a.Deadman, "job": a.Job} {
		c.must(v >= 0 && v <= 24*3600, "activation."+at, "must be from 0 to 86400 seconds, is %d", v)
	}
	id := ComputeID(m.Files)
	c.must(id == m.ID, "id", "%q must be the id of the listed files, %s", m.ID, id)
}

// TableName returns the name of a project's nft table.
func TableName(project string) string { return "fleet_" + strings.ReplaceAll(project, "-", "_") }

func (c *checker) files() {
	c.must(len(c.m.Files) <= MaxFiles, "files", "must be at most %d, are %d", MaxFiles, len(c.m.Files))
	var total int64
	for i, f := range c.m.Files {
		at := fmt.Sprintf("files[%d]", i)
		if err := CheckPath(f.Path); err != nil {
			c.must(false, at, "%v", err)
			continue
		}
		_, twice := c.paths[f.Path]
		c.must(!twice, at, "path %q must be listed once", f.Path)
		c.must(f.Path != FileName, at, "the manifest must not list itself")
		c.paths[f.Path] = i
		c.content(at, f)
		if f.Size > 0 && f.Size <= MaxFile {
			total += f.Size
		}
	}
	c.must(total <= MaxTotal, "files", "must have at most %d bytes together, have %d", int64(MaxTotal), total)
	c.tree()
}

func (c *checker) content(at string, f File) {
	c.must(fileModes[f.Mode], at, "mode %q of %q must be 0444, 0555, 0440 or link", f.Mode, f.Path)
	if name, isSudo := strings.CutPrefix(f.Path, "sudoers.d/"); isSudo {
		c.must(f.Mode == "0440", at, "mode of %q must be 0440, which sudo wants", f.Path)
		c.must(!strings.ContainsAny(name, ".~/"), at,
			"name of %q must have no dot, tilde or folder: sudo skips those", f.Path)
	}
	if f.Mode == ModeLink {
		_, err := LinkedUnit(f.Path, f.Link)
		c.must(err == nil, at, "%v", err)
		c.must(f.SHA256 == "" && f.Store == "" && f.Size == 0, at, "link %q must have no hash, size or store name", f.Path)
		return
	}
	c.must(f.Link == "", at, "file %q must have no link target", f.Path)
	c.must(f.Size >= 0 && f.Size <= MaxFile, at, "size of %q must be from 0 to %d, is %d", f.Path, MaxFile, f.Size)
	if !c.must(isHex(f.SHA256, 2*sha256.Size), at, "sha256 of %q must be 64 hex digits", f.Path) {
		return
	}
	if f.Store != "" {
		want := StoreName(f.SHA256, f.Path)
		c.must(f.Store == want, at, "store name %q of %q must be %q", f.Store, f.Path, want)
	}
}

// tree checks what holds between files: links name listed units, and no file is another one's folder.
func (c *checker) tree() {
	for p, i := range c.paths {
		f := c.m.Files[i]
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			_, isFile := c.paths[dir]
			c.must(!isFile, "files", "%q must not be both a file and a folder", dir)
		}
		if f.Mode == ModeLink {
			unit, _ := LinkedUnit(p, f.Link)
			target, listed := c.paths[unit]
			c.must(listed && c.m.Files[target].Mode != ModeLink, "files", "link %q must name a listed unit, not %q", p, f.Link)
		}
	}
	for _, p := range []string{FilesSumName, StoreSumName} {
		i, listed := c.paths[p]
		c.must(listed && c.m.Files[i].Mode != ModeLink, "files", "%q must be listed", p)
	}
}

func (c *checker) users() {
	names, uids := map[string]bool{}, map[int]bool{}
	for i, u := range c.m.Users {
		at := fmt.Sprintf("users[%d]", i)
		c.must(userName.MatchString(u.Name) && strings.HasPrefix(u.Name, c.m.Project+"-"), at,
			"name %q must be %s-AGENT", u.Name, c.m.Project)
		c.must(u.UID >= c.m.UIDs[0] && u.UID <= c.m.UIDs[1], at,
			"uid %d of %q must be in the range %v", u.UID, u.Name, c.m.UIDs)
		home := "/home/" + u.Name
		if u.Gate {
			home = NoHome
		}
		c.must(u.Home == home, at, "home %q must be %q", u.Home, home)
		c.must(!names[u.Name], at, "user %q must be listed once", u.Name)
		c.must(!uids[u.UID], at, "uid %d must be listed once", u.UID)
		names[u.Name], uids[u.UID] = true, true
	}
	for i, g := range c.m.Groups {
		c.must(userName.MatchString(g), fmt.Sprintf("groups[%d]", i), "%q must be a group name", g)
	}
	for i, a := range c.m.Agents {
		at := fmt.Sprintf("agents[%d]", i)
		c.must(agentKey.MatchString(a.Key), at, "key %q must be lower-case letters, digits and dashes", a.Key)
		c.must(!slices.Contains(ReservedKeys, a.Key), at, "key %q is the name of a folder of fleet's own", a.Key)
		c.must(a.User == c.m.Project+"-"+a.Key && names[a.User], at,
			"user %q must be the listed user of agent %q", a.User, a.Key)
	}
}

func (c *checker) units() {
	seen := map[string]bool{}
	policies := []string{OnChangeRestart, OnChangeGraceful, OnChangeImmediate, OnChangeManual, OnChangeReload}
	for i, u := range c.m.Units {
		at := fmt.Sprintf("units[%d]", i)
		c.must(!seen[u.Name], at, "unit %q must be listed once", u.Name)
		seen[u.Name] = true
		c.must(unitName.MatchString(u.Name) && c.ours(u.Name), at,
			"name %q must be a unit name of project %q", u.Name, c.m.Project)
		file, listed := c.paths["units/"+u.Name]
		c.must(listed && c.m.Files[file].Mode != ModeLink, at, "unit %q must have a file in units/", u.Name)
		c.must(u.OnChange == "" || slices.Contains(policies, u.OnChange), at,
			"onChange %q of %q must be one of %s", u.OnChange, u.Name, strings.Join(policies, ", "))
		c.must(u.Digest == "" || isHex(u.Digest, DigestLength), at,
			"digest %q of %q must be %d hex digits", u.Digest, u.Name, DigestLength)
	}
	for p, i := range c.paths {
		f := c.m.Files[i]
		name, isUnit := strings.CutPrefix(p, "units/")
		if isUnit && f.Mode != ModeLink {
			owner, isDropIn := dropInOwner(name)
			c.must(seen[name] || isDropIn && c.ours(owner), "units", "file %q must belong to a listed unit", p)
		}
	}
}

// dropInOwner returns the unit that NAME.d/FILE.conf in units/ is for.
func dropInOwner(p string) (string, bool) {
	dir, file, ok := strings.Cut(p, "/")
	owner, isDropIn := strings.CutSuffix(dir, ".d")
	return owner, ok && isDropIn && strings.HasSuffix(file, ".conf")
}

func (c *checker) ours(unit string) bool {
	own := "fleet-" + c.m.Project
	named := unit == own+".target" || unit == own+".slice" || strings.HasPrefix(unit, own+"-")
	return named && unit != own+"-anchor.service"
}
