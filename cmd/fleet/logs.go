package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/activate/agents"
	"fleet/activate/journal"
	"fleet/schemas/manifest"
	"fleet/schemas/session"
)

// logsFlags are the flags of `fleet logs`.
type logsFlags struct {
	lines   int
	follow  bool
	session int
}

// maxLines bounds -n.
const maxLines = 100000

// shownSessions is how many sessions logs lists above the journal.
const shownSessions = 10

func newLogsCmd(a *app) *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use:   "logs KEY",
		Short: "Show what an agent did: its sessions, its journal, a transcript",
		Long: `Logs shows the last sessions of an agent and the end of its unit's journal, or with --session the transcript of one
session. What an agent wrote is shown as printable text: escape sequences are taken out or written as Go writes them.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKeys(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.logs(cmd.Context(), args[0], f) },
	}
	cmd.Flags().IntVarP(&f.lines, "lines", "n", 20, "lines of the journal")
	cmd.Flags().BoolVar(&f.follow, "follow", false, "go on with new lines until interrupted")
	cmd.Flags().IntVar(&f.session, "session", 0, "show the transcript of this session")
	return cmd
}

func (a *app) logs(ctx context.Context, key string, f logsFlags) error {
	if f.lines < 0 || f.lines > maxLines {
		return usage(fmt.Errorf("-n must be from 0 to %d, is %d", maxLines, f.lines))
	}
	if f.session < 0 {
		return usage(fmt.Errorf("--session must be the number of a session, is %d", f.session))
	}
	if f.session > 0 && f.follow {
		return usage(errors.New("--follow and --session exclude each other: a transcript is whole when its session has ended"))
	}
	fleet, err := a.live("logs")
	if err != nil {
		return err
	}
	of, err := fleet.Agent(key)
	if err != nil {
		return asUsage(err)
	}
	switch {
	case f.session > 0:
		return a.transcript(fleet, key, f.session)
	case f.follow:
		return a.followJournal(ctx, fleet, of, f.lines)
	}
	return a.recent(ctx, fleet, of, f.lines)
}

// recent shows sessions and journal.
func (a *app) recent(ctx context.Context, f *agents.Fleet, of manifest.Agent, lines int) error {
	var out struct {
		Sessions []session.Record `json:"sessions"`
		Journal  []journal.Entry  `json:"journal"`
	}
	var err error
	if out.Sessions, err = f.Sessions(of.Key, shownSessions); err != nil {
		return err
	}
	err = journal.Read(ctx, journal.Query{Units: f.Units(of.Key), Lines: lines}, func(e journal.Entry) error {
		out.Journal = append(out.Journal, e)
		return nil
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.result(out, "")
	}
	a.print("%s", a.view().Sessions(agents.Summaries(out.Sessions)))
	for _, e := range out.Journal {
		a.print("%s\n", journalLine(e))
	}
	return nil
}

func (a *app) followJournal(ctx context.Context, f *agents.Fleet, of manifest.Agent, lines int) error {
	q := journal.Query{Units: f.Units(of.Key), Lines: lines, Follow: true}
	return journal.Read(ctx, q, func(e journal.Entry) error {
		if a.json {
			return json.NewEncoder(a.out).Encode(e)
		}
		_, err := fmt.Fprintln(a.out, journalLine(e))
		return err
	})
}

func journalLine(e journal.Entry) string {
	return e.Time.Local().Format("2006-01-02 15:04:05") + "  " + e.Message
}

// transcript prints what one session printed.
func (a *app) transcript(f *agents.Fleet, key string, n int) error {
	var lines []string
	cut, err := f.Transcript(key, n, func(line string) error {
		if a.json {
			lines = append(lines, line)
			return nil
		}
		_, err := fmt.Fprintln(a.out, line)
		return err
	})
	if err != nil {
		return err
	}
	if cut {
		a.log.Warnf("the transcript is long, only its last %d MiB are shown", agents.TranscriptTail>>20)
	}
	if a.json {
		return a.result(map[string]any{"agent": key, "session": n, "cut": cut, "lines": lines}, "")
	}
	return nil
}
