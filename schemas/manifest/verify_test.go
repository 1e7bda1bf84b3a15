package manifest_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

func TestVerifyWhole(t *testing.T) {
	s := newSealed()
	m, err := manifest.Verify(s.write(t))
	must(t, err)
	if m.ID != s.m.ID {
		t.Errorf("id %s, want %s", m.ID, s.m.ID)
	}
}

// Every way to damage a generation is named with its path, and all of them at once.
func TestVerifyDamaged(t *testing.T) {
	cases := map[string]struct {
		damage func(t *testing.T, dir string)
		want   []string
	}{
		"content": {overwrite("agents/lead/run", "#!/bin/xx\n"), []string{"agents/lead/run: must have the content"}},
		"size":    {overwrite("agents/lead/run", "longer than before"), []string{"agents/lead/run: must have 10 bytes"}},
		"emptied": {overwrite("units/fleet-demo.target", ""), []string{"units/fleet-demo.target: must have 7 bytes, has 0"}},
		"mode": {
			func(t *testing.T, d string) { must(t, os.Chmod(d+"/sudoers.d/demo", os.ModeSetuid|0o440)) },
			[]string{"sudoers.d/demo: must have mode 0440, has 4440"},
		},
		"missing": {func(t *testing.T, d string) { must(t, os.Remove(d+"/sudoers.d/demo")) }, []string{"sudoers.d/demo: is missing"}},
		"added":   {overwrite("units/fleet-demo-x.service", ""), []string{"units/fleet-demo-x.service: is not listed"}},
		"newline": {overwrite("units/a\nb", ""), []string{`units/a\nb: is not listed`}},
		"folder":  {func(t *testing.T, d string) { must(t, os.MkdirAll(d+"/empty/x", 0o755)) }, []string{"empty: is not listed"}},
		"link": {func(t *testing.T, d string) {
			p := d + "/units/multi-user.target.wants/fleet-demo.target"
			must(t, os.Remove(p))
			must(t, os.Symlink("/etc/passwd", p))
		}, []string{`must be a link to "../fleet-demo.target"`}},
		"link for file": {func(t *testing.T, d string) {
			must(t, os.Remove(d+"/sudoers.d/demo"))
			must(t, os.Symlink("../agents/lead/run", d+"/sudoers.d/demo"))
		}, []string{"sudoers.d/demo: must be a regular file"}},
		"fifo": {func(t *testing.T, d string) {
			must(t, os.Remove(d+"/agents/lead/run"))
			must(t, syscall.Mkfifo(d+"/agents/lead/run", 0o555))
		}, []string{"agents/lead/run: must be a regular file"}},
		"several": {func(t *testing.T, d string) {
			must(t, os.Remove(d+"/sudoers.d/demo"))
			overwrite("x", "")(t, d)
		}, []string{"x: is not listed", "sudoers.d/demo: is missing"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := newSealed().write(t)
			c.damage(t, dir)
			_, err := manifest.Verify(dir)
			var refused *report.Err
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a report", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("no %q in:\n%v", w, err)
				}
			}
		})
	}
}

func overwrite(p, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		p := filepath.Join(dir, p)
		os.Chmod(p, 0o755) // fails where the file is new
		must(t, os.WriteFile(p, []byte(text), 0o644))
		if strings.HasSuffix(p, "run") {
			must(t, os.Chmod(p, 0o555))
		} else {
			must(t, os.Chmod(p, 0o444))
		}
	}
}

// A list that leaves a file out would let the host's shell take a damaged generation for whole.
func TestVerifyLists(t *testing.T) {
	s := newSealed()
	s.File("libexec/assert", "0555", "#!/bin/sh\n") // after the lists were made
	s.m.ID = manifest.ComputeID(s.m.Files)
	if _, err := manifest.Verify(s.write(t)); err == nil || !strings.Contains(err.Error(), "files.sha256: must list") {
		t.Errorf("got %v", err)
	}
}

// sha256sum(1) itself reads the list, names with a backslash included.
func TestFilesSumReadBySha256sum(t *testing.T) {
	s := newSealed()
	s.m.Files = s.m.Files[:len(s.m.Files)-2]
	s.Unit(`fleet-demo-a\x2db.service`, "", "", "[Unit]\n")
	s.seal()
	dir := s.write(t)
	_, err := manifest.Verify(dir)
	must(t, err)
	check := func() error {
		cmd := exec.Command("sha256sum", "--check", "--strict", "--status", manifest.FilesSumName)
		cmd.Dir = dir
		return cmd.Run()
	}
	must(t, check())
	overwrite(`units/fleet-demo-a\x2db.service`, "[Umit]\n")(t, dir)
	if check() == nil {
		t.Error("a changed file passed sha256sum")
	}
}
