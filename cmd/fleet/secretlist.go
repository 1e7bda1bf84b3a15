package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/vault"
	"fleet/cmd/fleet/internal/table"
)

// secretRow is one secret as `fleet secret list` shows it.
type secretRow struct {
	Name         string   `json:"name"`
	Dispositions []string `json:"dispositions"` // broker, sidecar, expose; none where nothing live uses it
	Users        []string `json:"users"`        // units
	Set          string   `json:"set"`          // RFC 3339, "" where it has no value
	Previous     string   `json:"previous"`     // when it was rotated, "" where nothing is kept
}

func newSecretListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List secrets, who uses them and when they were set",
		Long: `List shows every secret that has a value on this host or that the live generation loads. A secret without a value keeps
a switch from being made. Nothing of a value is shown.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			h, err := a.secrets("list")
			if err != nil {
				return err
			}
			rows, err := h.rows()
			if err != nil {
				return err
			}
			return a.result(rows, secretTable(rows, a.color()))
		},
	}
}

func (h *secretHost) rows() ([]secretRow, error) {
	names, err := h.vault.Names()
	if err != nil {
		return nil, err
	}
	names = append(names, vault.Secrets(h.uses)...)
	slices.Sort(names)
	out := []secretRow{}
	for _, name := range slices.Compact(names) {
		row := secretRow{Name: name, Dispositions: []string{}, Users: []string{}}
		for _, u := range vault.Of(h.uses, name) {
			row.Users = append(row.Users, u.Unit)
			if !slices.Contains(row.Dispositions, u.Disposition) {
				row.Dispositions = append(row.Dispositions, u.Disposition)
			}
		}
		if row.Set, err = h.changed(name); err != nil {
			return nil, err
		}
		if row.Previous, err = h.changed(vault.Previous(name)); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

// changed returns when a file of the vault was written, "" where it is not there.
func (h *secretHost) changed(name string) (string, error) {
	t, err := h.vault.Changed(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return t.Format(time.RFC3339), nil
}

func secretTable(rows []secretRow, color bool) string {
	if len(rows) == 0 {
		return "no secrets"
	}
	t := table.Table{Columns: []table.Column{{Title: "NAME"}, {Title: "KIND"}, {Title: "SET"}, {Title: "USED BY"}}}
	for _, r := range rows {
		set := table.Cell{Text: r.Set}
		switch {
		case r.Set == "":
			set = table.Cell{Text: "no value", Color: table.Red}
		case r.Previous != "":
			set.Text += ", the value before is kept"
		}
		t.Rows = append(t.Rows, []table.Cell{
			{Text: r.Name}, {Text: orDash(strings.Join(r.Dispositions, ", "))}, set, {Text: orDash(strings.Join(r.Users, ", "))},
		})
	}
	return t.Render(0, color)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
