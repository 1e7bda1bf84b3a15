package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fleet/schemas/fleet"
)

// Texts that are put together from a spec's values.

// variable is what may be one in a prompt; the spec's checks refuse those that are none.
var variable = regexp.MustCompile(`\{\{[a-z][a-z0-9.-]*\}\}`)

// fill replaces the variables of a prompt in one pass, so that a value that looks like a variable stays as it is.
func fill(f *fleet.Fleet, a *Agent, prompt string) string {
	return variable.ReplaceAllStringFunc(prompt, func(v string) string {
		switch name := strings.Trim(v, "{}"); name {
		case "project":
			return f.Project
		case "agent.key":
			return a.Key
		case "agent.name":
			return a.Name
		case "agent.role":
			return orElse(a.Role, "agent")
		default:
			if channel, ok := strings.CutPrefix(name, "channels."); ok {
				return channel
			}
			return v
		}
	})
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
func harness(name string, h fleet.Harness, a fleet.Agent, chats bool) Harness {
	var options []string
	if a.Model != "" {
		options = append(options, h.Options["model"]...)
	}
	if a.Effort != "" {
		options = append(options, h.Options["effort"]...)
	}
	if len(a.Sidecars) > 0 || chats {
		options = append(options, h.Options["mcp"]...)
	}
	mode := permissionMode(h, a.Permissions.Mode)
	vars := strings.NewReplacer("{{model}}", a.Model, "{{effort}}", a.Effort, "{{permissions.mode}}", fmt.Sprint(mode))
	return Harness{
		Name: name, Program: h.Program, Install: h.Install, Version: h.Version,
		Interactive: commandLine(h.Interactive, options, vars),
		Headless:    commandLine(h.Headless, options, vars),
		Resume:      commandLine(h.Resume, options, vars),
		ResumeTalk:  commandLine(h.ResumeTalk, options, vars),
		Env:         h.Env, Mode: mode, Settings: h.Settings, SettingsDir: h.SettingsDir, Server: h.Server,
		Instructions: h.Instructions, Home: h.Home, Result: h.Result, Message: h.Message,
		SessionName: h.SessionName, Limits: h.Limits, TurnEnd: h.TurnEnd,
	}
}

// permissionMode is what a harness calls a mode.
func permissionMode(h fleet.Harness, mode string) any {
	if v, ok := h.Modes[mode]; ok {
		return v
	}
	return mode
}

// commandLine puts options before -- or, without one, before the prompt and an option that takes it, else at the end.
func commandLine(argv, options []string, vars *strings.Replacer) []string {
	if len(argv) == 0 {
		return nil
	}
	at := slices.Index(argv, "--")
	if at < 0 {
		at = slices.IndexFunc(argv, func(item string) bool { return strings.Contains(item, "{{prompt}}") })
		if at > 1 && strings.HasPrefix(argv[at-1], "-") {
			at--
		}
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
