package model

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// Provider is where an agent's harness asks models, resolved for that agent.
type Provider struct {
	Name   string
	Kind   string
	URL    string
	Secret string // name of the secret that opens it; "" is none
	Model  string // what it calls the agent's model; "" is the harness's choice
	Note   string
}

// noSecret is sent where a provider wants no credential: harnesses insist on one.
const noSecret = "none"

// ProviderURL returns the address at which an agent with this harness asks a provider, without a slash at its end, and
// whether it is the provider's own. It is "" where neither the provider nor the harness has one.
func ProviderURL(p fleet.Provider, h fleet.HarnessProvider) (address string, own bool) {
	if p.URL != "" {
		return strings.TrimSuffix(p.URL, "/"), true
	}
	at, ok := fillText(h.URL, map[string]string{"{{provider.region}}": p.Region, "{{provider.project}}": p.Project})
	if !ok {
		return "", false
	}
	return at, false
}

var errProviderURL = errors.New("is not the address of an API: http or https, without user, query and fragment")

// ParseProviderURL returns the host and the port of a provider, and whether it is asked by TLS.
func ParseProviderURL(address string) (host string, port int, tls bool, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return "", 0, false, errProviderURL
	}
	h, err := policy.ParseHost(u.Hostname())
	if err != nil {
		return "", 0, false, errProviderURL
	}
	tls = u.Scheme == "https"
	usual := portHTTP
	if tls {
		usual = portTLS
	}
	n, err := policy.ParsePort(cmp.Or(u.Port(), strconv.Itoa(usual)))
	if err != nil {
		return "", 0, false, errProviderURL
	}
	return h.String(), int(n), tls, nil
}

// providerOf returns the provider of an agent and what its harness does for one; ok is false where it has none.
func providerOf(f *fleet.Fleet, key string) (p fleet.Provider, h fleet.HarnessProvider, ok bool) {
	a := f.Agents[key]
	p, ok = f.Providers[a.Provider]
	if !ok {
		return p, h, false
	}
	h, ok = f.Harnesses[a.Harness].Providers[p.Kind]
	return p, h, ok
}

// provider returns where an agent's models are asked, nil where that is the vendor.
func provider(f *fleet.Fleet, key string) *Provider {
	p, h, ok := providerOf(f, key)
	if !ok {
		return nil
	}
	address, _ := ProviderURL(p, h)
	return &Provider{
		Name: f.Agents[key].Provider, Kind: p.Kind, URL: address, Secret: p.Secret, Model: ProviderModel(p, f.Agents[key].Model), Note: p.Note,
	}
}

// ProviderSecret is the name of the secret that an agent uses because its provider names it, "" where that is none.
func ProviderSecret(f *fleet.Fleet, key string) string {
	return f.Providers[f.Agents[key].Provider].Secret
}

// floor returns the rules of the hosts that an agent's harness cannot work without: those of its vendor or, where the agent
// has a provider, the one of that.
func floor(f *fleet.Fleet, key string) rules {
	a := f.Agents[key]
	p, h, ok := providerOf(f, key)
	if !ok {
		return rules{place: "harnesses." + a.Harness + ".egress", rules: f.Harnesses[a.Harness].Egress}
	}
	out := rules{place: "providers." + a.Provider, one: true}
	if _, own := ProviderURL(p, h); own {
		out.place += ".url"
	}
	if r, ok := providerRule(f, key); ok {
		out.rules = []fleet.EgressRule{r}
	}
	return out
}

// providerRule is the rule of an agent's provider; ok is false where it has none, or an address that the checks of the spec
// refuse.
func providerRule(f *fleet.Fleet, key string) (r fleet.EgressRule, ok bool) {
	p, h, ok := providerOf(f, key)
	if !ok {
		return r, false
	}
	address, _ := ProviderURL(p, h)
	host, port, tls, err := ParseProviderURL(address)
	if err != nil {
		return r, false
	}
	protocol := policy.HTTP
	if tls {
		protocol = policy.TLS
	}
	return fleet.EgressRule{Host: host, Ports: []int{port}, Protocol: protocol, Private: &p.Private, Note: p.Note}, true
}

// ProviderModel is what a provider calls an agent's model; "" where the agent names none.
func ProviderModel(p fleet.Provider, model string) string { return cmp.Or(p.Models[model], model) }

// providerValues are what the variables of a HarnessProvider stand for.
func providerValues(f *fleet.Fleet, key string) map[string]string {
	a := f.Agents[key]
	p, h, _ := providerOf(f, key)
	address, _ := ProviderURL(p, h)
	out := map[string]string{
		"{{model}}": ProviderModel(p, a.Model), "{{provider.url}}": address, "{{provider.region}}": p.Region, "{{provider.project}}": p.Project,
	}
	for name, there := range p.Models {
		out["{{provider.models."+name+"}}"] = there
	}
	s, ok := f.Secrets[p.Secret]
	switch placeholder := Placeholder(f.Project, key, p.Secret, s.Placeholder); {
	case !ok:
		out["{{provider.bearer}}"] = noSecret
	case s.SigV4 != "":
		out["{{provider.sigv4}}"], out["{{provider.keyId}}"] = placeholder, s.SigV4
	case s.Header != "" && strings.EqualFold(s.Header, h.Header):
		out["{{provider.header}}"] = placeholder
	case s.Bearer:
		out["{{provider.bearer}}"] = placeholder
	}
	return out
}

var providerVariable = regexp.MustCompile(`\{\{(?:model|provider\.[A-Za-z0-9._:/@+-]+)\}\}`)

// fillText replaces the variables of a HarnessProvider in a text; ok is false where one of them stands for nothing.
func fillText(text string, of map[string]string) (out string, ok bool) {
	ok = true
	out = providerVariable.ReplaceAllStringFunc(text, func(v string) string {
		ok = ok && of[v] != ""
		return of[v]
	})
	return out, ok
}

// fillProvider replaces variables in a setting; ok is false where nothing is left of it.
func fillProvider(v any, of map[string]string) (out any, ok bool) {
	switch v := v.(type) {
	case string:
		return fillText(v, of)
	case []any:
		list := []any{}
		for _, item := range v {
			if item, ok := fillProvider(item, of); ok {
				list = append(list, item)
			}
		}
		return list, len(v) == 0 || len(list) > 0
	case map[string]any:
		m := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			name, named := fillText(key, of)
			if item, ok := fillProvider(v[key], of); ok && named {
				m[name] = item
			}
		}
		return m, len(v) == 0 || len(m) > 0
	}
	return v, true
}

// layOver returns over laid over under: objects merge, all else replaces. Neither is changed.
func layOver(under, over map[string]any) map[string]any {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range over {
		below, isObject := out[k].(map[string]any)
		if m, ok := v.(map[string]any); ok && isObject {
			v = layOver(below, m)
		}
		out[k] = v
	}
	return out
}

// furnished returns a harness as it is for one agent, with its provider or its login, and what it calls the agent's model.
func furnished(f *fleet.Fleet, key string) (fleet.Harness, string) {
	a := f.Agents[key]
	h := f.Harnesses[a.Harness]
	if h.Login != nil && a.Login {
		h.Env = laid(h.Env, h.Login.Env)
		h.Settings = layOver(h.Settings, h.Login.Settings)
	}
	_, data, ok := providerOf(f, key)
	if !ok {
		return h, a.Model
	}
	of := providerValues(f, key)
	env := map[string]string{}
	for name, text := range data.Env {
		if value, ok := fillText(text, of); ok {
			env[name] = value
		}
	}
	h.Env = laid(h.Env, env)
	if settings, ok := fillProvider(data.Settings, of); ok {
		h.Settings = layOver(h.Settings, settings.(map[string]any))
	}
	model, _ := fillText(cmp.Or(data.Model, "{{model}}"), of)
	if a.Model == "" {
		model = ""
	}
	return h, model
}

// laid returns an environment with another one laid over it.
func laid(under, over map[string]string) map[string]string {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}

// loginRules are the hosts that an agent's harness needs for its login.
func loginRules(f *fleet.Fleet, key string) rules {
	a := f.Agents[key]
	out := rules{place: "harnesses." + a.Harness + ".login.egress"}
	if h := f.Harnesses[a.Harness]; a.Login && h.Login != nil {
		out.rules = h.Login.Egress
	}
	return out
}
