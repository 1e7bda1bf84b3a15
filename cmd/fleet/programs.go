package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"fleet/generate"
)

// programs returns where the daemons of a generation can be read, by name, and what removes those that were built for
// it: from --libexec, from the folder of this program, or built from source where the spec lies in a checkout of it.
func (a *app) programs(ctx context.Context, b *buildFlags) (found map[string]string, done func(), err error) {
	goos, arch, ok := strings.Cut(b.target, "/")
	if !ok || goos != "linux" {
		return nil, nil, usage(fmt.Errorf("--target %q must be linux/ARCHITECTURE, such as linux/arm64", b.target))
	}
	found, done = map[string]string{}, func() {}
	for _, dir := range a.programDirs(b) {
		for _, name := range generate.Daemons {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && b.libexec == "" {
				continue
			}
			if err := fits(path, name, arch); err != nil {
				return nil, nil, withStatus(exitRefused, err)
			}
			found[name] = path
		}
	}
	if len(found) == len(generate.Daemons) {
		return found, done, nil
	}
	root, ok := checkout(a.path("."))
	if !ok {
		return nil, nil, withStatus(exitRefused, fmt.Errorf("%s must be in the folder of this program, %s\n"+
			"  hint: build it with `go build ./cmd/...`, and name its folder with --libexec",
			strings.Join(generate.Daemons, ", "), strings.Join(a.programDirs(b), ", ")))
	}
	return a.buildPrograms(ctx, root, arch)
}

func (a *app) programDirs(b *buildFlags) []string {
	if b.libexec != "" {
		return []string{b.libexec}
	}
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{filepath.Dir(self)}
}

// fits refuses a file that is not the named program of this module for that architecture.
func fits(path, name, arch string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: is not fleet's program %s: %w", path, name, err)
	}
	if info.Path != "fleet/cmd/"+name {
		return fmt.Errorf("%s: is %s, not fleet's program %s", path, info.Path, name)
	}
	for _, s := range info.Settings {
		if s.Key == "GOARCH" && s.Value != arch {
			return fmt.Errorf("%s: is for %s, not for %s\n  hint: build it with GOARCH=%s and name its folder with --libexec",
				path, s.Value, arch, arch)
		}
		if s.Key == "GOOS" && s.Value != "linux" {
			return fmt.Errorf("%s: is for %s, not for Linux\n  hint: build it with GOOS=linux and name its folder with --libexec",
				path, s.Value)
		}
	}
	return nil
}

// checkout returns the source of this program that dir lies in.
func checkout(dir string) (string, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			return dir, slices.Contains(strings.Split(string(b), "\n"), "module fleet")
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
		dir = filepath.Dir(dir)
	}
}

// buildPrograms builds the daemons. Neither the path of the checkout nor its state in git shows in them.
func (a *app) buildPrograms(ctx context.Context, root, arch string) (map[string]string, func(), error) {
	dir, err := os.MkdirTemp("", "fleet-build-")
	if err != nil {
		return nil, nil, err
	}
	done := func() { os.RemoveAll(dir) }
	found := map[string]string{}
	for _, name := range generate.Daemons {
		a.log.Debugf("building %s", name)
		path := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./cmd/"+name)
		cmd.Dir, cmd.Stderr = root, a.err
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if err := cmd.Run(); err != nil {
			done()
			return nil, nil, fmt.Errorf("build %s in %s: %w\n  hint: name the folder of a built one with --libexec", name, root, err)
		}
		found[name] = path
	}
	return found, done, nil
}
