package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/profile"
	"fleet/schemas/state"
)

// generationRow is one generation as `fleet generations` shows it.
type generationRow struct {
	Number int      `json:"number"`
	ID     string   `json:"id"`
	Marks  []string `json:"marks"` // live, boot, confirmed, pinned, failed
	Failed string   `json:"failed,omitempty"`
	Last   string   `json:"last,omitempty"` // when it was last switched to, RFC 3339
}

func newGenerationsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generations",
		Short: "List the generations that this host holds",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := needRoot("generations"); err != nil {
				return err
			}
			project, err := a.hostProject()
			if err != nil {
				return err
			}
			rows, err := a.host(project).list()
			if err != nil {
				return err
			}
			return a.result(rows, generationTable(rows))
		},
	}
	cmd.AddCommand(newPinCmd(a, "pin", "Keep generation N from being collected", true),
		newPinCmd(a, "unpin", "Let generation N be collected again", false))
	return cmd
}

func (h hostView) list() ([]generationRow, error) {
	st, err := h.LoadState()
	if err != nil {
		return nil, err
	}
	boots, err := h.Boots()
	if err != nil {
		return nil, err
	}
	active := h.active()
	out := []generationRow{}
	for _, g := range st.Generations {
		if g.Gone {
			continue
		}
		row := generationRow{Number: g.Number, ID: string(g.ID), Failed: g.Failed, Marks: []string{}, Last: lastSwitch(st, g.Number)}
		for _, mark := range []struct {
			on   bool
			name string
		}{
			{g.Number == active, "live"},
			{g.Number == boots[0], "boot"},
			{g.Confirmed, "confirmed"},
			{g.Pinned, "pinned"},
			{g.Failed != "", "failed"},
		} {
			if mark.on {
				row.Marks = append(row.Marks, mark.name)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func lastSwitch(st *state.State, n int) string {
	last := ""
	for _, e := range st.History {
		if e.To == n && e.Result == state.ResultOK {
			last = e.Time.Format(time.RFC3339)
		}
	}
	return last
}

func generationTable(rows []generationRow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%4s  %-8s  %-20s  %s\n", "N", "ID", "LAST SWITCHED TO", "STATE")
	for _, r := range rows {
		text := strings.Join(r.Marks, ", ")
		if r.Failed != "" {
			text += ": " + r.Failed
		}
		fmt.Fprintf(&b, "%4d  %-8s  %-20s  %s\n", r.Number, short8(r.ID), r.Last, text)
	}
	return b.String()
}

func newPinCmd(a *app, name, about string, pinned bool) *cobra.Command {
	return &cobra.Command{
		Use: name + " N", Short: about, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			h, lock, err := a.lockHost(name)
			if err != nil {
				return err
			}
			defer lock.Release() //nolint:errcheck // the process ends and the kernel lets go of it
			n, err := h.Find(args[0])
			if err != nil {
				return withStatus(exitRefused, err)
			}
			st, err := h.LoadState()
			if err != nil {
				return err
			}
			st.Pin(n, pinned)
			if err := h.SaveState(st); err != nil {
				return err
			}
			return a.result(map[string]any{"number": n, "pinned": pinned}, fmt.Sprintf("generation %d: %sned", n, name))
		},
	}
}

// lockHost takes the lock of the project that the command acts on.
func (a *app) lockHost(command string) (hostView, *profile.Lock, error) {
	if err := needRoot(command); err != nil {
		return hostView{}, nil, err
	}
	project, err := a.hostProject()
	if err != nil {
		return hostView{}, nil, err
	}
	h := a.host(project)
	lock, err := h.Lock(holder(command))
	if err != nil {
		return hostView{}, nil, withStatus(exitRefused, err)
	}
	return h, lock, nil
}
