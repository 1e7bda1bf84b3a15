package main

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/generate"
	"fleet/generate/spec"
	"fleet/schemas/manifest"
)

func newExplainCmd(a *app) *cobra.Command {
	var b buildFlags
	cmd := &cobra.Command{
		Use:   "explain KEY",
		Short: "Explain a key of the spec, or what an agent, a secret or a provider of it causes",
		Long: `Explain shows the meaning, the default and an example of a key, such as iteration or limits.memory. Of an agent of
this spec, such as agents.lead, it shows every unit, file, user and right that the agent causes; of a secret, such as
secrets.GITHUB_TOKEN, who can use it, where it goes and who never sees it; of a provider, such as providers.company, who
asks which models there.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return spec.Keys(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if key, ok := strings.CutPrefix(args[0], "agents."); ok && !strings.Contains(key, ".") && key != "KEY" {
				return a.explainAgent(cmd, &b, key)
			}
			if name, ok := strings.CutPrefix(args[0], "secrets."); ok && !strings.Contains(name, ".") {
				return a.explainSecret(cmd, &b, name)
			}
			if name, ok := strings.CutPrefix(args[0], "providers."); ok && !strings.Contains(name, ".") && name != "KEY" {
				return a.explainProvider(cmd, &b, name)
			}
			return a.explainKey(args[0])
		},
	}
	b.add(cmd)
	return cmd
}

func (a *app) explainKey(name string) error {
	found, near := spec.Explain(name)
	if len(found) == 0 {
		hint := "see fleet explain --help"
		if len(near) > 0 {
			hint = "did you mean " + strings.Join(near, ", ") + "?"
		}
		return usage(fmt.Errorf("a spec has no key %q\n  hint: %s", name, hint))
	}
	var b strings.Builder
	for i, k := range found {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  (%s)\n", k.Path, k.Type)
		fmt.Fprintf(&b, "%s\n", wrap(k.Description, 2, 100))
		for _, line := range keyLines(k) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	return a.result(found, b.String())
}

// keyLines are the facts about a key beside its description.
func keyLines(k spec.Key) []string {
	var out []string
	add := func(name string, v any) {
		if text, err := json.Marshal(v); err == nil {
			out = append(out, fmt.Sprintf("%-8s %s", name, text))
		}
	}
	if k.Required {
		out = append(out, "required")
	}
	if len(k.Values) > 0 {
		add("one of", k.Values)
	}
	if k.Default != nil {
		add("default", k.Default)
	}
	for _, e := range k.Examples {
		add("example", e)
	}
	if k.Hint != "" {
		out = append(out, fmt.Sprintf("%-8s %s", "hint", k.Hint))
	}
	if len(k.Keys) > 0 {
		out = append(out, fmt.Sprintf("%-8s %s", "holds", strings.Join(k.Keys, ", ")))
	}
	return out
}

// cause is what one agent of a spec makes.
type cause struct {
	Agent   manifest.Agent    `json:"agent"`
	User    manifest.User     `json:"user"`
	Gate    *gateCause        `json:"gate,omitempty"`
	Models  *providerCause    `json:"models,omitempty"`
	Secrets []manifest.Secret `json:"secrets"` // that it may use
	Units   []string          `json:"units"`
	Files   []string          `json:"files"`
}

// compiled is the generation that the spec would make.
func (a *app) compiled(cmd *cobra.Command, b *buildFlags) (*generate.Compiled, error) {
	so, err := a.specOptions(&b.spec)
	if err != nil {
		return nil, err
	}
	locked, err := a.readLock(so.File)
	if err != nil {
		return nil, err
	}
	return generate.Compile(cmd.Context(), generate.Options{Spec: so, Lock: locked, Target: b.target})
}

func (a *app) explainAgent(cmd *cobra.Command, b *buildFlags, key string) error {
	c, err := a.compiled(cmd, b)
	if err != nil {
		return err
	}
	m := &c.Sealed.Manifest
	i := slices.IndexFunc(m.Agents, func(x manifest.Agent) bool { return x.Key == key })
	if i < 0 {
		return usage(fmt.Errorf("the spec has no agent %q", key))
	}
	out := cause{Agent: m.Agents[i], Secrets: []manifest.Secret{}, Units: []string{}, Files: []string{}}
	for _, s := range m.Secrets {
		if slices.Contains(s.Agents, key) {
			out.Secrets = append(out.Secrets, s)
		}
	}
	for _, u := range m.Users {
		if u.Agent == key && !u.Gate {
			out.User = u
		}
	}
	out.Gate = gateOf(c, key)
	for i := range c.Fleet.Agents {
		if agent := &c.Fleet.Agents[i]; agent.Key == key && agent.Provider != nil {
			out.Models = &providerCause{Name: agent.Provider.Name}
			out.Models.add(agent)
		}
	}
	for _, u := range m.Units {
		if u.Agent == key {
			out.Units = append(out.Units, u.Name)
		}
	}
	for _, f := range m.Files {
		if strings.HasPrefix(f.Path, "agents/"+key+"/") {
			out.Files = append(out.Files, f.Path)
		}
	}
	return a.result(out, out.text())
}

func (c cause) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("agent", "%s: harness %s, isolation %s", c.Agent.Key, c.Agent.Harness, c.Agent.Isolation)
	line("user", "%s, uid %d, home %s", c.User.Name, c.User.UID, c.User.Home)
	c.Gate.lines(line)
	if c.Models != nil {
		line("models", "of provider %s: %s at %s", c.Models.Name, c.Models.Kind, c.Models.Users[0].URL)
	}
	if c.Agent.Login {
		line("login", "by fleet login %s; the token lies with the agent: expose", c.Agent.Key)
	}
	for _, s := range c.Secrets {
		line("secret", "%s: %s", s.Name, s.Disposition)
	}
	if c.Agent.Ports != "" {
		line("ports", "%s on loopback", c.Agent.Ports)
	}
	for _, s := range c.Agent.Sudo {
		line("sudo", "%s", s)
	}
	for _, m := range c.Agent.Mounts {
		line("mount", "%s", m)
	}
	for _, u := range c.Agent.Unsafe {
		line("unsafe", "%s", u)
	}
	for _, u := range c.Units {
		line("unit", "%s", u)
	}
	for _, f := range c.Files {
		line("file", "%s", path.Clean(f))
	}
	return b.String()
}
