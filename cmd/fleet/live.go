package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/gates"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest"
)

// live returns what is live of the project that the command acts on. It needs root.
func (a *app) live(command string) (*agents.Fleet, error) {
	project, err := a.hostProject()
	if err != nil {
		return nil, err
	}
	if err := needRoot(command); err != nil {
		return nil, err
	}
	return agents.Live(profile.Layout{Project: project}, system.Default())
}

// pick returns the agents of keys, all enabled ones without keys.
func pick(f *agents.Fleet, keys []string) ([]manifest.Agent, error) {
	picked, err := f.Pick(keys)
	return picked, asUsage(err)
}

// agent returns the one enabled agent of key.
func agent(f *agents.Fleet, key string) (manifest.Agent, error) {
	picked, err := pick(f, []string{key})
	if err != nil {
		return manifest.Agent{}, err
	}
	return picked[0], nil
}

// pickGates returns the keys of agents and sidecars with a gate, all without keys.
func pickGates(f *agents.Fleet, keys []string) ([]string, error) {
	picked, err := gates.Pick(f, keys)
	return picked, asUsage(err)
}

// asUsage makes the name of an agent that there is not the caller's mistake.
func asUsage(err error) error {
	var unknown *agents.Unknown
	if errors.As(err, &unknown) {
		return usage(err)
	}
	return err
}

// completeKeys offers the keys of agents for the first arguments, most of them at most, 0 for any number.
func (a *app) completeKeys(most int) cobra.CompletionFunc { return completion(most, a.knownKeys) }

// completeGates offers the keys of all that have a gate.
func (a *app) completeGates(most int) cobra.CompletionFunc {
	return completion(most, func() []string { return append(a.knownKeys(), a.knownSidecars()...) })
}

func completion(most int, known func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		keys := slices.DeleteFunc(known(), func(k string) bool { return slices.Contains(args, k) })
		return keys, cobra.ShellCompDirectiveNoFileComp
	}
}

// knownSidecars returns the keys of sidecars by what this user may read: the live generation, the newest build.
func (a *app) knownSidecars() []string {
	m, err := manifest.Read(a.path("generations/latest"))
	if project, no := a.hostProject(); no == nil {
		if f, no := agents.Live(profile.Layout{Project: project}, system.Default()); no == nil {
			m, err = f.Manifest, nil
		}
	}
	if err != nil {
		return nil
	}
	var keys []string
	for _, s := range m.Sidecars {
		keys = append(keys, s.Key)
	}
	return keys
}

// knownKeys returns the keys of agents by the best source that this user may read: the live generation, the watchdog's
// file, the newest build.
func (a *app) knownKeys() []string {
	if project, err := a.hostProject(); err == nil {
		l := profile.Layout{Project: project}
		if f, err := agents.Live(l, system.Default()); err == nil {
			return f.Keys()
		}
		if s, err := agents.Watched(l); err == nil {
			var keys []string
			for _, one := range s.Agents {
				keys = append(keys, one.Key)
			}
			return keys
		}
	}
	m, err := manifest.Read(a.path("generations/latest"))
	if err != nil {
		return nil
	}
	var keys []string
	for _, one := range m.Agents {
		keys = append(keys, one.Key)
	}
	return keys
}

// everyone names the agents for a line of progress.
func everyone(picked []manifest.Agent, named bool, project string) string {
	var keys []string
	for _, one := range picked {
		keys = append(keys, one.Key)
	}
	text := strings.Join(keys, ", ")
	if !named {
		text = "all agents of " + project + ": " + text
	}
	return text
}
