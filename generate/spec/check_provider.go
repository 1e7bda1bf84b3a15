package spec

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// providers checks where models are asked, and by which agents.
func (c *checker) providers() {
	for _, name := range slices.Sorted(maps.Keys(c.fleet.Providers)) {
		p, v := place{"providers", name}, c.fleet.Providers[name]
		if v.URL != "" {
			c.providerURL(p.in("url"), v.URL)
		}
		c.providerSecret(p.in("secret"), v)
		users := c.providerUsers(name)
		if len(users) == 0 && !c.failedBelow(p) {
			c.warn(p, "no agent asks it", `set provider: "`+name+`" of an agent, or in defaults`)
		}
		c.idle(p, v, users)
	}
	for _, key := range c.keys() {
		c.providerOf(place{"agents", key}, c.fleet.Agents[key])
	}
}

// providerUsers returns the keys of the agents whose harness can ask a provider, sorted.
func (c *checker) providerUsers(name string) []string {
	var out []string
	for _, key := range c.keys() {
		a := c.fleet.Agents[key]
		if _, ok := c.fleet.Harnesses[a.Harness].Providers[c.fleet.Providers[name].Kind]; ok && a.Provider == name {
			out = append(out, key)
		}
	}
	return out
}

// providerURL refuses what is no address, and one that means the agent itself.
func (c *checker) providerURL(p place, address string) {
	host, _, _, err := model.ParseProviderURL(address)
	if err != nil {
		c.error(p, show(address)+" "+err.Error(), `such as "https://llm.example.com" or "http://10.0.0.5:11434"`)
		return
	}
	if at, err := netip.ParseAddr(host); host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && (at.IsLoopback() || at.IsUnspecified()) {
		c.error(p, show(host)+" is the agent itself: its network is not the host's",
			"let the server listen at an address of the host's network, write that or its name, and set private: true")
	}
}

// providerSecret wants one that the gate holds.
func (c *checker) providerSecret(p place, v fleet.Provider) {
	if v.Secret == "" {
		return
	}
	c.listed(p, v.Secret, "secret", slices.Sorted(maps.Keys(c.fleet.Secrets)))
	s, ok := c.fleet.Secrets[v.Secret]
	if ok && s.Disposition != fleet.Broker {
		c.error(p, fmt.Sprintf("%s has disposition %s: the gate must hold it", v.Secret, s.Disposition),
			`set disposition: "broker" there, or leave secret out here and set the harness's variables in env of the agent`)
	}
}

// idle refuses keys of a provider that none of its agents' harnesses has a use for.
func (c *checker) idle(p place, v fleet.Provider, users []string) {
	if len(users) == 0 {
		return
	}
	for key, variables := range map[string][]string{
		"url": {"{{provider.url}}"}, "region": {"{{provider.region}}"}, "project": {"{{provider.project}}"},
		"secret": {"{{provider.bearer}}", "{{provider.header}}", "{{provider.sigv4}}"},
	} {
		given := map[string]string{"url": v.URL, "region": v.Region, "project": v.Project, "secret": v.Secret}[key]
		used := slices.ContainsFunc(users, func(user string) bool {
			h := c.fleet.Harnesses[c.fleet.Agents[user].Harness].Providers[v.Kind]
			texts := providerTexts(h)
			if v.URL == "" {
				texts = append(texts, h.URL)
			}
			return mention(texts, variables...)
		})
		if given != "" && !used {
			c.error(p.in(key), fmt.Sprintf("has no effect: the harnesses of %s take none with kind %s", strings.Join(users, ", "), v.Kind), "take it out")
		}
	}
}

// providerOf checks that an agent's harness can ask its provider.
func (c *checker) providerOf(p place, a fleet.Agent) {
	v, ok := c.fleet.Providers[a.Provider]
	if !ok {
		if a.Provider != "" {
			c.listed(p.in("provider"), a.Provider, "provider", slices.Sorted(maps.Keys(c.fleet.Providers)))
		}
		return
	}
	h, ok := c.fleet.Harnesses[a.Harness].Providers[v.Kind]
	if !ok {
		c.error(p.in("provider"), fmt.Sprintf("harness %s cannot ask a provider of kind %s", a.Harness, v.Kind), c.otherKinds(a.Harness, v.Kind))
		return
	}
	at := place{"providers", a.Provider}
	for _, key := range h.Needs {
		given := map[string]string{"region": v.Region, "project": v.Project, "secret": v.Secret, "model": a.Model}[key]
		switch {
		case given != "":
		case key == "model":
			c.error(p.in("model"), fmt.Sprintf("is missing: harness %s knows no model of kind %s by itself", a.Harness, v.Kind), "name one that the provider has")
		case v.URL == "" || key != "region" || mention(providerTexts(h), "{{provider.region}}"):
			c.once(at.in(key), fmt.Sprintf("is missing: harness %s needs it with kind %s", a.Harness, v.Kind), providerExample[key])
		}
	}
	address, _ := model.ProviderURL(v, h)
	if address == "" && !c.failedBelow(at) {
		c.once(at.in("url"), fmt.Sprintf("is missing: kind %s has no address of its own", v.Kind), `such as "https://llm.example.com"`)
	}
	c.opened(p, a, h, address)
}

var providerExample = map[string]string{
	"region": `such as "eu-central-1"`, "project": `such as "my-project-123"`, "secret": "name a secret that opens it",
}

// once reports what several agents may suffer from.
func (c *checker) once(at place, message, hint string) {
	if !c.failedBelow(at) {
		c.error(at, message, hint)
	}
}

// opened checks that the gate puts the secret where the harness sends it, and only by TLS.
func (c *checker) opened(p place, a fleet.Agent, h fleet.HarnessProvider, address string) {
	v := c.fleet.Providers[a.Provider]
	s, ok := c.fleet.Secrets[v.Secret]
	host, port, tls, err := model.ParseProviderURL(address)
	if !ok || s.Disposition != fleet.Broker || err != nil {
		return
	}
	at, from := place{"providers", a.Provider}, place{"secrets", v.Secret}
	switch {
	case !tls:
		c.once(at.in("secret"), "cannot be put into requests without TLS", "use an https address, or leave it out where the server wants none")
	case !slices.ContainsFunc(s.Hosts, func(pattern string) bool {
		name, wild := strings.CutPrefix(pattern, "*")
		return pattern == host || wild && strings.HasSuffix(host, name)
	}):
		c.once(from.in("hosts"), fmt.Sprintf("must have %s, where provider %s needs it", host, a.Provider), fmt.Sprintf("hosts: [%q]", host))
	case !slices.Contains(s.Ports, port):
		c.once(from.in("ports"), fmt.Sprintf("must have %d, where provider %s needs it", port, a.Provider), fmt.Sprintf("ports: [%d]", port))
	}
	for _, t := range []struct {
		variable string
		fits     bool
		key      string
	}{
		{"{{provider.bearer}}", s.Bearer, "bearer: true"},
		{"{{provider.header}}", s.Header != "" && strings.EqualFold(s.Header, h.Header), fmt.Sprintf("header: %q", h.Header)},
		{"{{provider.sigv4}}", s.SigV4 != "", `sigv4: "AKIA...", the ID of the key`},
	} {
		if t.fits && mention(providerTexts(h), t.variable) {
			return
		}
	}
	c.once(from, fmt.Sprintf("is not where harness %s sends it to a provider of kind %s", a.Harness, v.Kind), "set "+strings.Join(placesOf(h), " or "))
}

// placesOf says how a secret is written that stands where a harness sends it.
func placesOf(h fleet.HarnessProvider) []string {
	var out []string
	texts := providerTexts(h)
	if mention(texts, "{{provider.sigv4}}") {
		out = append(out, `sigv4: "AKIA...", the ID of the key`)
	}
	if mention(texts, "{{provider.header}}") {
		out = append(out, fmt.Sprintf("header: %q", h.Header))
	}
	if mention(texts, "{{provider.bearer}}") {
		out = append(out, "bearer: true")
	}
	return out
}

// otherKinds says what a harness can ask, and which harnesses can ask a kind.
func (c *checker) otherKinds(harness, kind string) string {
	var can []string
	for name, h := range c.fleet.Harnesses {
		if _, ok := h.Providers[kind]; ok {
			can = append(can, name)
		}
	}
	slices.Sort(can)
	takes := "it takes none"
	if kinds := slices.Sorted(maps.Keys(c.fleet.Harnesses[harness].Providers)); len(kinds) > 0 {
		takes = "it takes " + strings.Join(kinds, ", ")
	}
	if len(can) == 0 {
		return takes
	}
	return takes + "; " + kind + " is for " + strings.Join(can, ", ")
}

var providerModel = regexp.MustCompile(`^\{\{provider\.models\.[A-Za-z0-9][A-Za-z0-9._:/@+-]*\}\}$`)

// harnessProvider checks what a harness does for a kind of provider.
func (c *checker) harnessProvider(p place, h fleet.HarnessProvider) {
	env := map[string]string{}
	for name, value := range h.Env {
		env[name] = template.ReplaceAllString(value, "") // a variable in the place of a credential looks like one
	}
	c.env(p.in("env"), env)
	c.settings(p.in("settings"), h.Settings, "{{provider.")
	if (h.Header == "") == mention(providerTexts(h), "{{provider.header}}") {
		c.error(p.in("header"), "goes together with {{provider.header}}", `such as header: "x-api-key" and env: { MY_KEY: "{{provider.header}}" }`)
	}
	for _, text := range append(providerTexts(h), h.URL, h.Model) {
		for _, t := range template.FindAllString(text, -1) {
			ours := strings.HasPrefix(t, "{{provider.") && !slices.Contains(fleet.ProviderVariables, t) && !providerModel.MatchString(t)
			if ours || text == h.Model && t != "{{model}}" {
				c.error(p, show(t)+" is not a variable of a provider", "variables: "+strings.Join(fleet.ProviderVariables, ", ")+", {{provider.models.NAME}}, {{model}}")
			}
		}
	}
}

// providerTexts are the texts in which a harness takes what a provider has.
func providerTexts(h fleet.HarnessProvider) []string {
	out := settingsTexts(h.Settings)
	for _, name := range slices.Sorted(maps.Keys(h.Env)) {
		out = append(out, h.Env[name])
	}
	return out
}

// mention says whether one of the variables stands in a text.
func mention(texts []string, variables ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		return slices.ContainsFunc(variables, func(v string) bool { return strings.Contains(text, v) })
	})
}
