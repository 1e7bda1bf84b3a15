package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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
	job     string // "" is the agent itself
}

// maxLines bounds -n.
const maxLines = 100000

// shownSessions is how many sessions logs lists above the journal.
const shownSessions = 10

func newLogsCmd(a *app) *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use:   "logs KEY [JOB]",
		Short: "Show what an agent or a job did: sessions, journal, a transcript",
		Long: `Logs shows the last sessions of an agent and the end of its units' journal, or with --session the transcript of
one session. With the name of a job it shows the runs of that job and what the last one said at its end. What an agent wrote
is shown as printable text: escape sequences are taken out or written as Go writes them.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeKeys(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.job = strings.Join(args[1:], "")
			return a.logs(cmd.Context(), args[0], f)
		},
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
	if f.session > 0 && f.job != "" {
		return usage(errors.New("--session and the name of a job exclude each other: both are numbered together"))
	}
	fleet, err := a.live("logs")
	if err != nil {
		return err
	}
	of, err := fleet.Agent(key)
	if err != nil {
		return asUsage(err)
	}
	if f.session > 0 {
		return a.transcript(fleet, key, f.session)
	}
	units, err := logUnits(fleet, of, f.job)
	if err != nil {
		return err
	}
	if f.follow {
		return a.followJournal(ctx, units, f.lines)
	}
	return a.recent(ctx, fleet, of, journal.Query{Units: units, Lines: f.lines}, f.job)
}

// logUnits are the units of an agent, or that of one job.
func logUnits(f *agents.Fleet, of manifest.Agent, job string) ([]string, error) {
	if job == "" {
		return f.Units(of.Key), nil
	}
	unit, err := f.JobUnit(of, job)
	if err != nil {
		return nil, usage(err)
	}
	return []string{unit}, nil
}

// recent shows sessions and journal.
func (a *app) recent(ctx context.Context, f *agents.Fleet, of manifest.Agent, q journal.Query, job string) error {
	var out struct {
		Sessions []session.Record `json:"sessions"`
		Message  []string         `json:"message,omitempty"`
		Journal  []journal.Entry  `json:"journal"`
	}
	var err error
	if job == "" {
		out.Sessions, err = f.Sessions(of.Key, shownSessions)
	} else {
		out.Sessions, err = f.Runs(of, job, shownSessions)
	}
	if err == nil && job != "" && len(out.Sessions) > 0 {
		out.Message, err = f.Message(of.Key, out.Sessions[0])
	}
	if err != nil {
		return err
	}
	err = journal.Read(ctx, q, func(e journal.Entry) error {
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
	for _, line := range out.Message {
		a.print("    %s\n", line)
	}
	for _, e := range out.Journal {
		a.print("%s\n", journalLine(e))
	}
	return nil
}

func (a *app) followJournal(ctx context.Context, units []string, lines int) error {
	return journal.Read(ctx, journal.Query{Units: units, Lines: lines, Follow: true}, func(e journal.Entry) error {
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
