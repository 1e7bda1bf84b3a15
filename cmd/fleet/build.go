package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/generate/store"
)

func newBuildCmd(a *app) *cobra.Command {
	var b buildFlags
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Compile the spec into generations/N",
		Long: `Build compiles the spec into an immutable generation below generations/ and points generations/latest at it.
Content that is the newest already makes no new one. Where golden/PROJECT/tree exists it is brought up to date.

It needs no root and changes nothing but these folders and the lock beside the spec.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.build(cmd, &b) },
	}
	b.add(cmd)
	return cmd
}

func (a *app) build(cmd *cobra.Command, b *buildFlags) error {
	building := store.NewBuilding(a.generations())
	defer building.Discard()
	programs, done, err := a.programs(cmd.Context(), b)
	if err != nil {
		return err
	}
	defer done()
	c, err := a.compile(cmd.Context(), b, programs, func(m *model.Fleet) artifact.Sink {
		saveMemory(len(m.Agents))
		return building
	})
	if err != nil {
		return err
	}
	w, err := building.Commit(c.Sealed)
	if err != nil {
		return fmt.Errorf("write generation: %w", err)
	}
	if err := a.refreshGolden(cmd.Context(), b, c.Fleet.Project); err != nil {
		return err
	}
	gone, err := store.Prune(a.generations(), c.Fleet.Retention.Generations)
	if err != nil {
		return fmt.Errorf("remove old generations: %w", err)
	}
	for _, n := range gone {
		a.log.Debugf("removed generations/%d", n)
	}
	text := fmt.Sprintf("generations/%d  %s  %d agents, %d files", w.Number, w.ID.Short(), len(c.Fleet.Agents), c.Sealed.Tree.Len())
	if !w.Changed {
		text = fmt.Sprintf("generations/%d  %s  nothing changed", w.Number, w.ID.Short())
	}
	return a.result(w, text)
}

// saveMemory lets the garbage collector work harder once a build of that many agents has more memory than it needs: what
// it runs beside has better use for it.
func saveMemory(agents int) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // else GOMEMLIMIT says it
		debug.SetMemoryLimit(11<<20 + int64(agents)*16<<10)
	}
}

// refreshGolden rewrites the golden tree where the project keeps one.
func (a *app) refreshGolden(ctx context.Context, b *buildFlags, project string) error {
	dir := a.goldenTree("", project)
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	c, err := a.compile(ctx, b, nil, nil)
	if err != nil {
		return err
	}
	changes, err := store.WriteGolden(dir, c.Sealed.Tree)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		a.log.Infof("golden/%s/tree: %d files changed; review with git diff", project, len(changes))
	}
	return nil
}
