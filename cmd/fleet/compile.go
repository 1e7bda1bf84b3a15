package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"fleet/generate"
	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/generate/spec"
)

// lockFile stands beside the spec and is committed with it.
const lockFile = ".fleet.lock.json"

// specFlags are the flags of every command that evaluates the spec.
type specFlags struct {
	tlaStr, tlaCode, extStr, extCode map[string]string
	jpath                            []string
}

func (s *specFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringToStringVar(&s.tlaStr, "tla-str", nil, "argument `NAME=TEXT` of the spec's top-level function")
	f.StringToStringVar(&s.tlaCode, "tla-code", nil, "argument `NAME=JSONNET` of the spec's top-level function")
	f.StringToStringVar(&s.extStr, "ext-str", nil, "external variable `NAME=TEXT`")
	f.StringToStringVar(&s.extCode, "ext-code", nil, "external variable `NAME=JSONNET`")
	f.StringSliceVarP(&s.jpath, "jpath", "J", nil, "search imports in this `folder` too (also JSONNET_PATH)")
}

// specNames are looked for in this order where -f is not given.
var specNames = []string{"fleet.jsonnet", "fleet.json", "fleet.yaml", "fleet.yml"}

// specFile returns the path of the spec relative to -C.
func (a *app) specFile() (string, error) {
	if a.file != "" {
		return a.file, nil
	}
	for _, name := range specNames {
		if _, err := os.Stat(a.path(name)); err == nil {
			return name, nil
		}
	}
	return "", usage(fmt.Errorf("no %s in %s\n  hint: name the spec with -f, or the folder with -C",
		strings.Join(specNames[:3], " or "), a.dir))
}

func (a *app) specOptions(s *specFlags) (spec.Options, error) {
	file, err := a.specFile()
	if err != nil {
		return spec.Options{}, err
	}
	o := spec.Options{
		Dir: a.dir, File: file, TLAStr: s.tlaStr, TLACode: s.tlaCode, ExtStr: s.extStr, ExtCode: s.extCode,
		Trace: a.err,
	}
	// As in jsonnet(1): the last -J wins, over JSONNET_PATH too, whose first folder wins.
	o.JPath = append(slices.Clone(s.jpath), filepath.SplitList(os.Getenv("JSONNET_PATH"))...)
	slices.Reverse(o.JPath[:len(s.jpath)])
	return o, nil
}

// buildFlags are the flags of every command that compiles.
type buildFlags struct {
	spec    specFlags
	target  string
	libexec string
	avoid   []int
	locked  bool
}

func (b *buildFlags) add(cmd *cobra.Command) {
	b.spec.add(cmd)
	f := cmd.Flags()
	f.StringVar(&b.target, "target", "linux/"+runtime.GOARCH, "system to build for")
	f.StringVar(&b.libexec, "libexec", "", "take the daemons from this `folder` (default: this program's own)")
	f.IntSliceVar(&b.avoid, "avoid-uid", nil, "give this user `id` to nobody: a host has it already")
	f.BoolVar(&b.locked, "locked", false, "fail where "+lockFile+" would change")
}

// sink returns what keeps the files of a fleet; nil is memory.
type sink func(*model.Fleet) artifact.Sink

// compile evaluates and compiles the spec, and writes the lock where it changed. Without programs the generation names
// them by stand-ins, as golden trees have it.
func (a *app) compile(ctx context.Context, b *buildFlags, programs map[string]string, to sink) (*generate.Compiled, error) {
	so, err := a.specOptions(&b.spec)
	if err != nil {
		return nil, err
	}
	locked, err := a.readLock(so.File)
	if err != nil {
		return nil, err
	}
	c, err := generate.Compile(ctx, generate.Options{
		Spec: so, Lock: locked, Avoid: b.avoid, Target: b.target, Programs: programs, Sink: to,
	})
	if err != nil {
		return nil, err
	}
	a.warn(c.Report)
	if !c.LockChanged {
		return c, nil
	}
	lockPath := a.lockPath(so.File)
	if b.locked {
		return nil, withStatus(exitRefused, fmt.Errorf(
			"%s: must not change with --locked, and this spec needs new user ids\n  hint: build without --locked and commit it",
			lockPath))
	}
	if err := renameio.WriteFile(lockPath, c.Lock, 0o644); err != nil {
		return nil, fmt.Errorf("write lock: %w", err)
	}
	a.log.Infof("%s: user ids written; commit it with the spec", lockPath)
	return c, nil
}

// lockPath returns where the lock of a spec stands.
func (a *app) lockPath(specFile string) string {
	return filepath.Join(filepath.Dir(a.path(specFile)), lockFile)
}

// readLock returns the lock of a spec, nothing where there is none yet.
func (a *app) readLock(specFile string) ([]byte, error) {
	locked, err := os.ReadFile(a.lockPath(specFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return locked, err
}

// generations is the local folder of built generations.
func (a *app) generations() string { return a.path("generations") }

// goldenTree is where the golden copy of a project stands, below -C.
func (a *app) goldenTree(dir, project string) string {
	if dir != "" {
		return a.path(dir)
	}
	return filepath.Join(a.path("golden"), project, "tree")
}
