package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/gates"
	"fleet/cmd/fleet/internal/suggest"
	"fleet/schemas/access"
	"fleet/schemas/audit"
)

func newEgressSuggestCmd(a *app) *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "suggest [KEY]",
		Short: "Write the allow list of what was used",
		Long: `Suggest writes, as Jsonnet to add to a spec, the rules for what agents used and no rule allows: what mode report or
a bypass let through, and with --denied what was denied. It never writes a wildcard, an address or a private host; what
is left out is said in comments. Read it before you paste it: it is what the agent chose to ask for.`,
		Example: `  sudo fleet egress suggest lead --since 7d >> fleet.jsonnet   # then put a "+" before it`,
		Args:    cobra.MaximumNArgs(1), ValidArgsFunction: a.completeGates(1),
		RunE: func(cmd *cobra.Command, keys []string) error { return a.egressSuggest(cmd.Context(), keys, f) },
	}
	cmd.Flags().BoolVar(&f.denied, "denied", false, "suggest what was denied too")
	cmd.Flags().StringVar(&f.since, "since", "", "read records from this `TIME` on, such as 2h or 7d (default: all)")
	return cmd
}

func (a *app) egressSuggest(ctx context.Context, keys []string, f recordFlags) error {
	since, err := parseSince(f.since, time.Now())
	if err != nil {
		return err
	}
	fleet, err := a.live("egress suggest")
	if err != nil {
		return err
	}
	picked, err := pickGates(fleet, keys)
	if err != nil {
		return err
	}
	makers, err := newMakers(fleet, f.denied)
	if err != nil {
		return err
	}
	q := gates.Query{Keys: keys, Since: since}
	if err := gates.Records(ctx, fleet.Manifest, q, func(e audit.Entry) error {
		if m := makers[e.Agent]; m != nil {
			m.Add(e.Record)
		}
		return nil
	}); err != nil {
		return err
	}
	out := []suggest.Agent{}
	for _, key := range picked {
		one := suggest.Agent{Key: key, Allow: makers[key].Rules(), LeftOut: makers[key].LeftOut()}
		if name := sidecarOf(fleet, key); name != "" {
			one.Key, one.Sidecar = name, true
		}
		if !slices.ContainsFunc(out, func(o suggest.Agent) bool { return o.Key == one.Key && o.Sidecar == one.Sidecar }) {
			out = append(out, one)
		}
	}
	return a.result(out, suggest.Jsonnet(out))
}

// sidecarOf returns the name in the spec of the sidecar with this key, "" where it is an agent's.
func sidecarOf(f *agents.Fleet, key string) string {
	for _, s := range f.Manifest.Sidecars {
		if s.Key == key {
			return s.Name
		}
	}
	return ""
}

// newMakers makes a maker for each that has a way out, which knows what it may reach now.
func newMakers(f *agents.Fleet, denied bool) (map[string]*suggest.Maker, error) {
	policies, err := access.ReadPolicies(f.Generation(f.Number), f.Manifest)
	if err != nil {
		return nil, err
	}
	out := map[string]*suggest.Maker{}
	for key, p := range policies {
		m, err := p.Compile()
		if err != nil {
			return nil, fmt.Errorf("policy of agent %s: %w", key, err)
		}
		out[key] = suggest.New(m, denied)
	}
	for _, key := range f.Manifest.Gated() {
		if out[key] == nil {
			out[key] = suggest.New(nil, denied)
		}
	}
	// All instances of a sidecar have one list in the spec.
	first := map[string]*suggest.Maker{}
	for _, s := range f.Manifest.Sidecars {
		if first[s.Name] == nil {
			first[s.Name] = out[s.Key]
		}
		out[s.Key] = first[s.Name]
	}
	return out, nil
}
