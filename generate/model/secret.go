package model

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// Secret is a credential of the fleet and who may use it.
type Secret struct {
	Name        string
	Disposition string   // as the spec has it, such as fleet.Broker
	Agents      []string // keys, sorted; disabled ones too
	Hosts       []string // to which gates send it
	Place       string   // where it stands in a request, for people
	Note        string
}

// Exposed is a secret whose value an agent has.
type Exposed struct {
	Name string // of its file in $CREDENTIALS_DIRECTORY
	Env  string // variable with the value; "" is none
}

// SecretUsers returns the keys of the agents that may use a secret, sorted.
func SecretUsers(f *fleet.Fleet, name string) []string {
	if d := f.Secrets[name].Disposition; d == fleet.Absent || d == fleet.ForSidecar {
		return nil
	}
	var out []string
	for key := range f.Agents {
		if uses(f, key, name) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

func uses(f *fleet.Fleet, key, name string) bool {
	return lists(f, key, name) || ProviderSecret(f, key) == name
}

// lists says whether an agent has a secret, or its placeholder, under the secret's own variable: not where only its provider
// names it.
func lists(f *fleet.Fleet, key, name string) bool {
	return slices.Contains(f.Agents[key].Secrets, name) || slices.Contains(f.Secrets[name].Agents, key)
}

// secretsOf returns the names of the secrets that an agent may use and that are contained so, sorted.
func secretsOf(f *fleet.Fleet, key, disposition string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f.Secrets)) {
		if f.Secrets[name].Disposition == disposition && uses(f, key, name) {
			out = append(out, name)
		}
	}
	return out
}

// SecretVariables returns the variables that secrets give to an agent's environment, with the name of the secret.
func SecretVariables(f *fleet.Fleet, key string) map[string][]string {
	out := map[string][]string{}
	for _, name := range secretsOf(f, key, fleet.Broker) {
		s := f.Secrets[name]
		if !lists(f, key, name) {
			continue
		}
		out[cmp.Or(s.Env, name)] = append(out[cmp.Or(s.Env, name)], name)
		if s.SigV4 != "" {
			out[accessKeyID] = append(out[accessKeyID], name)
		}
	}
	for _, name := range secretsOf(f, key, fleet.Expose) {
		if env := f.Secrets[name].Env; env != "" {
			out[env] = append(out[env], name)
		}
	}
	return out
}

// accessKeyID is the variable by which AWS's clients know whose key they sign with.
const accessKeyID = "AWS_ACCESS_KEY_ID"

// Brokered returns the secrets that the agent's gate holds, sorted by name.
func (a *Agent) Brokered() []policy.Secret {
	if a.Policy == nil {
		return nil
	}
	return a.Policy.Secrets
}

// Placeholder is what an agent has in place of a secret: the same in every build, another one for each agent, and no
// secret. Where its form has no room for words, it has at least the word fleet.
func Placeholder(project, key, name string, form fleet.Placeholder) string {
	sum := sha256.Sum256([]byte("placeholder\x00" + project + "\x00" + key + "\x00" + name))
	digest := hex.EncodeToString(sum[:])
	out := form.Prefix + "fleet-placeholder-" + name + "-" + digest[:8]
	if form.Length == 0 {
		return out
	}
	if len(out) > form.Length {
		out = form.Prefix + "fleet" + digest[:8]
	}
	for n := 0; len(out) < form.Length; n++ {
		sum = sha256.Sum256([]byte(digest + strconv.Itoa(n)))
		out += hex.EncodeToString(sum[:])
	}
	return out[:form.Length]
}

// LeastPlaceholder is the shortest length that a placeholder with this prefix can have.
func LeastPlaceholder(prefix string) int {
	return max(policy.MinPlaceholder, len(prefix)+len("fleet")+8)
}

// SecretAlone returns a policy of one secret and nothing else, for the checks of a spec.
func SecretAlone(f *fleet.Fleet, name string) *policy.Policy {
	return &policy.Policy{
		Version: policy.Version, Project: f.Project, Agent: "any", Mode: policy.Enforce,
		Secrets: []policy.Secret{held(f, "any", name)},
	}
}

// brokered returns the secrets that an agent's gate puts into requests: one that only the provider names for that alone.
func brokered(f *fleet.Fleet, key string) []policy.Secret {
	var out []policy.Secret
	for _, name := range secretsOf(f, key, fleet.Broker) {
		s := held(f, key, name)
		if at, ok := providerRule(f, key); ok && !lists(f, key, name) && at.Protocol == policy.TLS {
			s.Hosts, s.Ports = []string{at.Host}, at.Ports
		}
		out = append(out, s)
	}
	return out
}

func held(f *fleet.Fleet, key, name string) policy.Secret {
	s := f.Secrets[name]
	return policy.Secret{
		Name: name, Placeholder: Placeholder(f.Project, key, name, s.Placeholder),
		Hosts: s.Hosts, Ports: slices.Sorted(slices.Values(s.Ports)), Methods: s.Methods, Paths: s.Paths,
		Header: s.Header, Bearer: s.Bearer, Basic: s.Basic, Query: s.Query, SigV4: s.SigV4,
	}
}

// quoting returns the hosts of the harness's own: what an agent has seen is told there, placeholders too.
func quoting(f *fleet.Fleet, key string, secrets []policy.Secret) []string {
	if len(secrets) == 0 {
		return nil
	}
	var out []string
	for _, r := range floor(f, key).rules {
		out = append(out, r.Host)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// exposed returns the secrets whose values an agent has.
func exposed(f *fleet.Fleet, key string) []Exposed {
	var out []Exposed
	for _, name := range secretsOf(f, key, fleet.Expose) {
		out = append(out, Exposed{Name: name, Env: f.Secrets[name].Env})
	}
	return out
}

// withPlaceholders returns the environment with what stands for brokered secrets.
func withPlaceholders(env map[string]string, f *fleet.Fleet, key string, p *policy.Policy) map[string]string {
	if len(p.Secrets) == 0 {
		return env
	}
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	for _, s := range p.Secrets {
		if !lists(f, key, s.Name) {
			continue
		}
		out[cmp.Or(f.Secrets[s.Name].Env, s.Name)] = s.Placeholder
		if s.SigV4 != "" {
			out[accessKeyID] = s.SigV4
		}
	}
	return out
}

// secrets returns all secrets of a fleet by name.
func secrets(f *fleet.Fleet) []Secret {
	var out []Secret
	for _, name := range slices.Sorted(maps.Keys(f.Secrets)) {
		s := f.Secrets[name]
		out = append(out, Secret{
			Name: name, Disposition: s.Disposition, Agents: SecretUsers(f, name), Hosts: s.Hosts, Place: inRequest(s), Note: s.Note,
		})
	}
	return out
}

// inRequest says where in a request a secret stands.
func inRequest(s fleet.Secret) string {
	var out []string
	if s.Header != "" {
		out = append(out, "header "+s.Header)
	}
	if s.Bearer {
		out = append(out, "bearer")
	}
	if s.Basic {
		out = append(out, "basic password")
	}
	if s.Query != "" {
		out = append(out, "query "+s.Query)
	}
	if s.SigV4 != "" {
		out = append(out, "AWS signature")
	}
	return strings.Join(out, ", ")
}
