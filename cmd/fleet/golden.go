package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fleet/generate/store"
)

func newGoldenCmd(a *app) *cobra.Command {
	var b buildFlags
	var dir string
	var check bool
	cmd := &cobra.Command{
		Use:   "golden",
		Short: "Write the generation as text for review in git",
		Long: `Golden writes what the spec compiles to into golden/PROJECT/tree, to be committed: every change to a unit, a rule or a
script is then reviewed as text. With --check it writes nothing, prints how the tree differs and exits 4 if it does.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.locked = b.locked || check
			c, err := a.compile(cmd.Context(), &b, nil, nil)
			if err != nil {
				return err
			}
			tree := a.goldenTree(dir, c.Fleet.Project)
			if check {
				return a.checkGolden(tree, c.Sealed)
			}
			changes, err := store.WriteGolden(tree, c.Sealed.Tree)
			if err != nil {
				return err
			}
			return a.result(map[string]any{"path": tree, "changes": short(changes)},
				fmt.Sprintf("%s: %d files changed", tree, len(changes)))
		},
	}
	b.add(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "only compare; exit 4 where it differs")
	cmd.Flags().StringVar(&dir, "dir", "", "the golden `folder` (default golden/PROJECT/tree)")
	return cmd
}

func (a *app) checkGolden(tree string, s *store.Sealed) error {
	changes, err := store.Compare(tree, s.Tree)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return a.result(map[string]any{"path": tree, "changes": changes}, tree+": up to date")
	}
	if a.json {
		if err := a.result(map[string]any{"path": tree, "changes": changes}, ""); err != nil {
			return err
		}
		return withStatus(exitDiffers, nil)
	}
	for _, c := range changes {
		a.print("%s", c.Diff)
	}
	return withStatus(exitDiffers, fmt.Errorf(
		"%s: differs from the spec in %d files\n  hint: run `fleet golden`, review git diff and commit", tree, len(changes)))
}

// short leaves the diffs out.
func short(changes []store.Change) []store.Change {
	out := make([]store.Change, 0, len(changes))
	for _, c := range changes {
		out = append(out, store.Change{Path: c.Path, Kind: c.Kind})
	}
	return out
}
