package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/unitfile"
	"fleet/activate/vault"
	"fleet/generate"
	"fleet/generate/spec"
	"fleet/schemas/report"
)

// missingSecrets warns of secrets that a spec needs and that this host's vault of its project lacks. Only root can tell,
// and only where there is a vault; nothing is written.
func (a *app) missingSecrets(ctx context.Context, o spec.Options, project string) (report.Report, error) {
	var r report.Report
	fx := system.Default()
	v := vault.New(profile.New(profile.Layout{Project: project}, fx), fx, vault.Creds{FX: fx})
	if _, err := os.Lstat(v.Secrets()); err != nil || os.Geteuid() != 0 {
		return r, nil
	}
	vault.Guard()
	names, err := a.secretsOf(ctx, o, project)
	if err != nil {
		return r, err
	}
	for _, e := range v.Verify(ctx, names).Entries {
		e.Severity = report.Warning
		r.Add(e)
	}
	return r, nil
}

// secretsOf compiles a spec in memory and returns what its units load.
func (a *app) secretsOf(ctx context.Context, o spec.Options, project string) ([]string, error) {
	locked, err := a.readLock(o.File)
	if err != nil {
		return nil, err
	}
	o.Trace = io.Discard // it was shown when the spec was checked
	c, err := generate.Compile(ctx, generate.Options{Spec: o, Lock: locked, Target: hostTarget()})
	if err != nil {
		return nil, err
	}
	var names []string
	for file, err := range c.Sealed.Tree.All() {
		if err != nil {
			return nil, err
		}
		if file.Link != "" || !strings.HasPrefix(path.Dir(string(file.Path)), "units") {
			continue
		}
		u, err := unitfile.Parse(file.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Path, err)
		}
		names = append(names, vault.Loaded(u, project)...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
