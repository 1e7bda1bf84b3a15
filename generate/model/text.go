package model

import (
	"slices"
	"strings"

	"fleet/schemas/fleet"
)

// Texts that are put together from a spec's values.

// variables replaces the variables of a prompt in one pass, so that a value that looks like a variable stays as it is.
func variables(f *fleet.Fleet, a *Agent) *strings.Replacer {
	return strings.NewReplacer(
		"{{project}}", f.Project, "{{agent.key}}", a.Key, "{{agent.name}}", a.Name, "{{agent.role}}", orElse(a.Role, "agent"))
}

// compose returns the instructions as Markdown: who the agent is, then the spec's texts.
func compose(f *fleet.Fleet, a *Agent, list []fleet.Instruction) string {
	var b strings.Builder
	b.WriteString("# " + a.Name + "\n\nYou are " + a.Name)
	if a.Role != "" {
		b.WriteString(", " + a.Role)
	}
	b.WriteString(" (agent `" + a.Key + "`) in the team `" + f.Project + "`.\n")
	if f.Description != "" {
		b.WriteString("\n" + f.Description + "\n")
	}
	for _, in := range list {
		b.WriteString("\n" + strings.Trim(in.Text, "\n") + "\n")
	}
	return b.String()
}

// endsInZone says whether a calendar expression names the time zone itself.
func endsInZone(calendar, zone string) bool { return strings.HasSuffix(calendar, " "+zone) }

// harness returns the harness of an agent with model, effort and options in its command lines.
func harness(name string, h fleet.Harness, a fleet.Agent) Harness {
	var options []string
	if a.Model != "" {
		options = append(options, h.Options["model"]...)
	}
	if a.Effort != "" {
		options = append(options, h.Options["effort"]...)
	}
	if len(a.Sidecars) > 0 {
		options = append(options, h.Options["mcp"]...)
	}
	vars := strings.NewReplacer("{{model}}", a.Model, "{{effort}}", a.Effort)
	return Harness{
		Name: name, Program: h.Program, Install: h.Install, Version: h.Version,
		Interactive: commandLine(h.Interactive, options, vars),
		Headless:    commandLine(h.Headless, options, vars),
		Resume:      commandLine(h.Resume, options, vars),
		Env:         h.Env, Settings: h.Settings, SettingsDir: h.SettingsDir, Instructions: h.Instructions, Home: h.Home,
		Result: h.Result, TurnEnd: h.TurnEnd,
	}
}

// commandLine puts options before -- or, without one, before the prompt, else at the end.
func commandLine(argv, options []string, vars *strings.Replacer) []string {
	if len(argv) == 0 {
		return nil
	}
	at := slices.Index(argv, "--")
	if at < 0 {
		at = slices.IndexFunc(argv, func(item string) bool { return strings.Contains(item, "{{prompt}}") })
	}
	if at < 0 {
		at = len(argv)
	}
	out := slices.Concat(argv[:at], options, argv[at:])
	for i, item := range out {
		out[i] = vars.Replace(item)
	}
	return out
}
