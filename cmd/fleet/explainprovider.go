package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/generate/model"
)

// providerCause is where the models of agents are asked.
type providerCause struct {
	Name   string        `json:"name"`
	Kind   string        `json:"kind"`
	Secret string        `json:"secret,omitempty"`
	Users  []providerUse `json:"users"`
}

// providerUse is one agent of a provider.
type providerUse struct {
	Agent   string `json:"agent"`
	Harness string `json:"harness"`
	Model   string `json:"model,omitempty"` // as the provider calls it
	URL     string `json:"url"`
}

func (a *app) explainProvider(cmd *cobra.Command, b *buildFlags, name string) error {
	c, err := a.compiled(cmd, b)
	if err != nil {
		return err
	}
	out := providerCause{Name: name}
	for i := range c.Fleet.Agents {
		if agent := &c.Fleet.Agents[i]; agent.Provider != nil && agent.Provider.Name == name {
			out.add(agent)
		}
	}
	if len(out.Users) == 0 {
		return usage(fmt.Errorf("no agent of the spec has a provider %q\n  hint: fleet explain providers says what one is", name))
	}
	return a.result(out, out.text())
}

func (c *providerCause) add(a *model.Agent) {
	c.Kind, c.Secret = a.Provider.Kind, a.Provider.Secret
	c.Users = append(c.Users, providerUse{Agent: a.Key, Harness: a.Harness.Name, Model: a.Provider.Model, URL: a.Provider.URL})
}

func (c *providerCause) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("provider", "%s: %s", c.Name, c.Kind)
	line("opened by", "%s", cmp.Or(c.Secret, "nothing"))
	slices.SortFunc(c.Users, func(x, y providerUse) int { return cmp.Compare(x.Agent, y.Agent) })
	for _, u := range c.Users {
		line("asked by", "%s: harness %s, model %s, at %s", u.Agent, u.Harness, cmp.Or(u.Model, "of its own choice"), u.URL)
	}
	return b.String()
}
