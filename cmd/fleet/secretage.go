package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"fleet/activate/detach"
	"fleet/activate/systemd"
	"fleet/activate/vault"
	"fleet/activate/vault/dotenv"
	"fleet/schemas/fleet"
	"fleet/schemas/manifest"
)

// ageName is the file of values that travels in git beside a spec.
const ageName = "secrets.age"

// ageBeside returns where the values of a build's spec would be: beside its folder generations.
func ageBeside(build string) string {
	if dir := filepath.Dir(build); build != "" && filepath.Base(dir) == "generations" {
		return filepath.Join(filepath.Dir(dir), ageName)
	}
	return ""
}

// bringAge brings the values that came with a spec into the vault, before the switch looks whether all are there. What
// runs already with another value gets the new one at once.
func (a *app) bringAge(ctx context.Context, req *detach.Request, m *manifest.Manifest, dryRun bool) error {
	path := ageBeside(req.Source)
	if path == "" || len(m.Secrets) == 0 {
		return nil
	}
	text, err := readRegular(path, 2*dotenv.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return withStatus(exitRefused, err)
	}
	if dryRun {
		a.log.Infof("%s is not looked into by a dry run", ageName)
		return nil
	}
	h, err := a.vaultOf(m.Project, "", nil)
	if err != nil {
		return err
	}
	keys, err := vault.HostKey{Profile: h.Profile, FX: h.fx, Sealer: vault.Creds{FX: h.fx}}.Identities(ctx)
	if err != nil {
		return withStatus(exitRefused, inFile(path, err))
	}
	return h.locked("switch", func() error {
		taken, err := h.vault.TakeAge(ctx, vault.AgeFile{
			Path: path, Text: text, Identities: keys, Wanted: loadedSecrets(m), Check: h.absent,
		})
		if err != nil {
			return withStatus(exitRefused, err)
		}
		if len(taken.Changed) == 0 {
			return nil
		}
		a.log.Infof("%s: took %s into the vault", ageName, strings.Join(taken.Changed, ", "))
		_, err = h.spread(ctx, taken.Changed, systemd.Restart)
		return err
	})
}

// loadedSecrets are the names of those that have a value on the host.
func loadedSecrets(m *manifest.Manifest) []string {
	var out []string
	for _, s := range m.Secrets {
		if s.Disposition != fleet.Absent {
			out = append(out, s.Name)
		}
	}
	return out
}
