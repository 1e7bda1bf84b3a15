package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/profile"
	"fleet/generate/store"
)

// holder names this process in a lock.
func holder(what string) profile.Holder { return profile.Holder{PID: os.Getpid(), What: what} }

func newGCCmd(a *app) *cobra.Command {
	var local bool
	var keep int
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove generations that nothing needs",
		Long: `Gc removes generations of this host beyond the number that the spec keeps, and files of the store that no generation
of any project needs. What boots, is live, is pinned, or still runs in a session stays. With --local it removes
builds below generations/ instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if local {
				gone, err := store.Prune(a.generations(), keep)
				if err != nil {
					return err
				}
				return a.result(map[string]any{"generations": gone}, fmt.Sprintf("removed %d builds", len(gone)))
			}
			return a.collect(cmd)
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "remove builds below generations/")
	cmd.Flags().IntVar(&keep, "keep", 10, "with --local, how many of the newest builds stay")
	return cmd
}

func (a *app) collect(cmd *cobra.Command) error {
	h, lock, err := a.lockHost("gc")
	if err != nil {
		return err
	}
	defer lock.Release() //nolint:errcheck // the process ends and the kernel lets go of it
	retention := 1
	if n := h.active(); n != 0 {
		m, err := h.Read(n)
		if err != nil {
			return err
		}
		retention = m.Retention
	}
	got, err := h.Collect(cmd.Context(), profile.GC{Retention: retention})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("removed %d generations and %d files of the store", len(got.Generations), len(got.Store))
	if len(got.Warnings) > 0 {
		text += "\nwarning: " + strings.Join(got.Warnings, "\nwarning: ")
	}
	return a.result(got, text)
}
