package drift

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fleet/activate/install"
	"fleet/activate/profile"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
)

// generatorDir is where units of ours are loaded from.
const generatorDir = "/run/systemd/generator"

// units compares what systemd has loaded with the generation: every unit is loaded, from the generator's folder, in the
// generation's text, without an addition by anybody. What an administrator did on purpose is named all the same.
func (l *list) units(p *profile.Profile, n int, m *manifest.Manifest, loaded map[string]systemd.Unit) {
	if install.Generator(p.Layout) == "" {
		l.add(Unit, "systemd generator", "sudo fleet switch --force puts it back", "is missing: the next boot would start nothing")
	}
	for _, u := range m.Units {
		l.text(p, n, u.Name)
		if !unitfile.IsTemplate(u.Name) {
			l.unit(loaded[u.Name], u.Name)
		}
	}
}

func (l *list) unit(u systemd.Unit, name string) {
	switch {
	case u.LoadState == "masked":
		l.add(Override, name, "systemctl unmask "+name, "is masked by the administrator")
		return
	case u.LoadState != "loaded":
		l.add(Unit, name, "systemctl daemon-reload, and see sudo fleet doctor", "is not loaded (%s %s)", u.LoadState, u.LoadError)
		return
	case !strings.HasPrefix(u.Fragment, generatorDir+"/"):
		l.add(Override, name, "remove "+u.Fragment+", then systemctl daemon-reload", "is replaced by %s", u.Fragment)
	}
	for _, d := range u.DropIns {
		if !strings.HasPrefix(d, generatorDir+"/") {
			l.add(Override, name, "remove it, then systemctl daemon-reload", "is changed by %s", d)
		}
	}
	if u.NeedReload {
		l.add(Override, name, "systemctl daemon-reload", "has files that changed since systemd read them")
	}
}

// text compares the copy that the generator made with the generation's file.
func (l *list) text(p *profile.Profile, n int, name string) {
	want, err := os.ReadFile(filepath.Join(p.Generation(n), "units", name))
	if err != nil {
		return // said by files
	}
	have, err := os.ReadFile(filepath.Join(p.Root+generatorDir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.add(Unit, name, "systemctl daemon-reload, and see sudo fleet doctor", "is missing from %s", generatorDir)
	case err != nil:
		l.add(Unit, name, "", "cannot be compared: %v", err)
	case !bytes.Equal(want, have):
		l.add(Unit, name, "systemctl daemon-reload", "differs in %s from generation %d", generatorDir, n)
	}
}
