package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate"
	"fleet/activate/probe"
	"fleet/activate/system"
	"fleet/activate/systemd"
)

// probeCommand is the hidden command that tries the walls: as an agent with --as, else of all agents.
const probeCommand = "__probe"

func newProbeCmd(a *app) *cobra.Command {
	var o probe.Options
	var as bool
	cmd := &cobra.Command{
		Use: probeCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if as {
				return a.probeHere(o)
			}
			return a.probeAll(cmd)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&as, "as", false, "this process is an agent's")
	f.StringSliceVar(&o.Others, "other", nil, "user of another agent")
	f.StringSliceVar(&o.Hidden, "hidden", nil, "folder that must be out of sight")
	f.StringVar(&o.Listed, "listed", "", "host that must be reached")
	f.StringVar(&o.Unlisted, "unlisted", "", "host that must not be reached")
	f.BoolVar(&o.Sudo, "sudo", false, "the agent may gain privileges")
	f.BoolVar(&o.Shared, "shared", false, "the agent is in the host's network namespace")
	return cmd
}

// probeHere makes the attempts in this process's own sandbox and prints one line of JSON for each.
func (a *app) probeHere(o probe.Options) error {
	results := probe.Run(o)
	enc := json.NewEncoder(a.out)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	if len(probe.Breaches(results)) > 0 {
		return withStatus(exitFailed, errors.New(probe.Summary(results)))
	}
	return nil
}

// probeAll starts every enabled agent's probe unit and shows what came of it.
func (a *app) probeAll(cmd *cobra.Command) error {
	if err := needRoot(probeCommand); err != nil {
		return err
	}
	project, err := a.hostProject()
	if err != nil {
		return err
	}
	h := a.host(project)
	m, err := h.Read(h.active())
	if err != nil {
		return err
	}
	sd, err := systemd.Connect(cmd.Context())
	if err != nil {
		return err
	}
	defer sd.Close()
	host := activate.Host{Layout: h.Layout, Effects: system.Default(), Systemd: sd}
	var failed error
	var tried []string
	for _, agent := range m.Agents {
		if !agent.Enabled {
			continue
		}
		results, err := activate.Probe(cmd.Context(), host, agent)
		failed = errors.Join(failed, err)
		a.showProbe(agent.Key, results)
		for _, r := range results {
			if !slices.Contains(tried, r.Name) {
				tried = append(tried, r.Name)
			}
		}
	}
	a.print("  tried:\n%s\n", wrap(strings.Join(tried, ", "), 4, 100))
	return failed
}

func (a *app) showProbe(key string, results []probe.Result) {
	a.print("  %-16s %s\n", key, probe.Summary(results))
	for _, r := range probe.Breaches(results) {
		a.print("    NOT REFUSED: %s (%s)\n", r.Name, r.Detail)
	}
}

// wrap breaks text at blanks, each line indented by indent and at most width wide.
func wrap(text string, indent, width int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && indent+len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	pad := strings.Repeat(" ", indent)
	return pad + strings.Join(append(lines, line), "\n"+pad)
}
