package vault

import (
	"path/filepath"
	"slices"
	"strings"

	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
	"fleet/schemas/policy"
)

// How a secret is contained, by the unit that loads it.
const (
	Broker  = "broker"  // an agent's gate
	Sidecar = "sidecar" // a tool that runs as another user
	Expose  = "expose"  // the agent itself
)

// Use is one unit that loads a secret from the vault.
type Use struct {
	Secret      string
	Unit        string // a template's where it has instances
	Agent       string // key, "" where it is no agent's
	Disposition string
}

// Uses returns what the units of a generation load from the vault of their project, sorted by secret and unit.
func Uses(set *unitfile.Set, m *manifest.Manifest) []Use {
	var out []Use
	for _, name := range append(set.Names(), set.Templates()...) {
		if unitfile.Template(name) != "" {
			continue // an instance, which its template stands for
		}
		u := set.Unit(name)
		for _, secret := range Loaded(u, m.Project) {
			out = append(out, Use{
				Secret: secret, Unit: name, Agent: u.Last("Unit", "X-Fleet-Agent"), Disposition: disposition(u, m),
			})
		}
	}
	slices.SortFunc(out, func(a, b Use) int {
		return strings.Compare(a.Secret+" "+a.Unit, b.Secret+" "+b.Unit)
	})
	return slices.Compact(out)
}

// Loaded returns the secrets of the project's vault that a unit loads under whatever name, but for those that a rotation
// keeps, of which each stands beside its own.
func Loaded(u unitfile.Unit, project string) []string {
	dir := "/var/lib/fleet/" + project + "/secrets"
	var out []string
	for _, value := range u.Values("Service", "LoadCredentialEncrypted") {
		_, path, _ := strings.Cut(value, ":")
		if name := filepath.Base(path); filepath.Dir(path) == dir && policy.IsSecretName(name) {
			out = append(out, name)
		}
	}
	return out
}

// disposition tells by its user what a unit is.
func disposition(u unitfile.Unit, m *manifest.Manifest) string {
	user := u.Last("Service", "User")
	for _, known := range m.Users {
		switch {
		case known.Name != user:
		case known.Gate:
			return Broker
		case slices.ContainsFunc(m.Agents, func(a manifest.Agent) bool { return a.User == user }):
			return Expose
		}
	}
	return Sidecar
}

// Secrets returns the names of the secrets that are used, sorted.
func Secrets(uses []Use) []string {
	var out []string
	for _, u := range uses {
		out = append(out, u.Secret)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Of returns the uses of these secrets.
func Of(uses []Use, names ...string) []Use {
	var out []Use
	for _, u := range uses {
		if slices.Contains(names, u.Secret) {
			out = append(out, u)
		}
	}
	return out
}

// Nearest returns the name that a person may have meant, "" where none is near.
func Nearest(name string, known []string) string {
	best, least := "", 2+len(name)/4
	for _, k := range known {
		if d := distance(strings.ToUpper(name), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters that must be changed, added or left out (Levenshtein), in the memory of one row.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
