package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/gates"
	"fleet/cmd/fleet/internal/egresstext"
	"fleet/schemas/audit"
)

// recordFlags are the flags of what reads records.
type recordFlags struct {
	denied bool
	since  string
	lines  int
}

const recordsHelp = `

With --json each record is one object on one line, by schemas/audit/entry.schema.json. Records of an agent are those
that its gate's own user wrote; names and paths in them were chosen by the agent and are shown as printable text.`

func newEgressLogCmd(a *app) *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "log [KEY]",
		Short: "Show what agents asked for, and what was decided",
		Long:  `Log shows the newest decisions of the gates of all agents and sidecars, or of one, the oldest first.` + recordsHelp,
		Args:  cobra.MaximumNArgs(1), ValidArgsFunction: a.completeGates(1),
		RunE: func(cmd *cobra.Command, keys []string) error { return a.egressLog(cmd.Context(), keys, f, false) },
	}
	f.add(cmd, 100)
	return cmd
}

func newEgressWatchCmd(a *app) *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "watch [KEY]",
		Short: "Show decisions as they are made, until interrupted",
		Long: `Watch shows the newest decisions of the gates of all agents and sidecars, or of one, and goes on with new ones until Ctrl-C.` +
			recordsHelp,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeGates(1),
		RunE: func(cmd *cobra.Command, keys []string) error { return a.egressLog(cmd.Context(), keys, f, true) },
	}
	f.add(cmd, 10)
	return cmd
}

func (f *recordFlags) add(cmd *cobra.Command, lines int) {
	cmd.Flags().BoolVar(&f.denied, "denied", false, "show denials only")
	cmd.Flags().StringVar(&f.since, "since", "", "show records from this `TIME` on, such as 2h, 7d or \"2026-05-01 13:00\"")
	cmd.Flags().IntVarP(&f.lines, "lines", "n", lines, "show the newest so many; 0: all")
}

func (a *app) egressLog(ctx context.Context, keys []string, f recordFlags, follow bool) error {
	q, err := f.query()
	if err != nil {
		return err
	}
	name := "egress log"
	if q.Follow = follow; follow {
		name = "egress watch"
	}
	fleet, err := a.live(name)
	if err != nil {
		return err
	}
	if q.Keys, err = recorded(fleet, keys); err != nil {
		return err
	}
	show := a.recordPrinter(append(fleet.Keys(), fleet.Manifest.Gated()...))
	return gates.Records(ctx, fleet.Manifest, q, show)
}

func (f recordFlags) query() (gates.Query, error) {
	if f.lines < 0 || f.lines > maxLines {
		return gates.Query{}, usage(fmt.Errorf("-n must be from 0 to %d, is %d", maxLines, f.lines))
	}
	since, err := parseSince(f.since, time.Now())
	return gates.Query{Denied: f.denied, Since: since, Lines: f.lines}, err
}

// recorded returns the keys whose records are wanted. A disabled agent may have some of before.
func recorded(f *agents.Fleet, keys []string) ([]string, error) {
	for _, key := range keys {
		if _, err := f.Agent(key); err == nil {
			continue
		}
		if _, err := pickGates(f, []string{key}); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// recordPrinter returns what prints one record after the other.
func (a *app) recordPrinter(keys []string) func(audit.Entry) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		return func(r audit.Entry) error { return e.Encode(r) }
	}
	p := egresstext.New(keys, a.width(), a.color())
	return func(r audit.Entry) error {
		_, err := io.WriteString(a.out, p.Line(r))
		return err
	}
}
