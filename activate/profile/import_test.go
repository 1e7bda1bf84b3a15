package profile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/system"
	"fleet/schemas/manifest/manifesttest"
	"fleet/schemas/report"
)

func TestImport(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	src := h.build("one")
	got, err := p.Import(context.Background(), src)
	h.must(err)
	if got.Number != 1 || !got.New {
		t.Errorf("got %+v", got)
	}
	_, err = p.Verify(1)
	h.must(err)
	if missing := p.VerifyStore(got.Manifest); missing != nil {
		t.Errorf("not in the store: %v", missing)
	}
	modes := map[string]fs.FileMode{}
	for _, path := range []string{".", "units", "units/fleet-demo.target", "agents/lead/run", "sudoers.d/demo"} {
		st, err := os.Stat(filepath.Join(p.Generation(1), path))
		h.must(err)
		modes[path] = st.Mode().Perm()
	}
	want := map[string]fs.FileMode{".": 0o555, "units": 0o555, "units/fleet-demo.target": 0o444, "agents/lead/run": 0o555, "sudoers.d/demo": 0o440}
	if d := cmp.Diff(want, modes); d != "" {
		t.Error(d)
	}
	again, err := p.Import(context.Background(), src)
	h.must(err)
	if again.Number != 1 || again.New {
		t.Errorf("the same content again: %+v", again)
	}
	if n := h.imported("two"); n != 2 {
		t.Errorf("other content: %d", n)
	}
}

// The id does not cover deadlines: a generation that differs in them only is another one.
func TestImportOtherManifest(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	for i, health := range []int{5, 6} {
		tree := manifesttest.New("demo")
		tree.Manifest.Activation.Health = health
		got, err := p.Import(context.Background(), h.written(tree))
		h.must(err)
		if got.Number != i+1 || got.Manifest.Activation.Health != health {
			t.Errorf("got %+v", got)
		}
	}
}

// B11: a damaged generation is never adopted, a damaged store file is replaced.
func TestImportB11Damaged(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	src := h.build("one")
	got, err := p.Import(context.Background(), src)
	h.must(err)
	store := filepath.Join(p.Store(), h.names("var/lib/fleet/store")[0])
	h.must(os.Chmod(store, 0o755))
	h.must(os.WriteFile(store, nil, 0o755))
	if d := p.VerifyStore(got.Manifest); len(d) != 1 {
		t.Errorf("damage in the store is not seen: %v", d)
	}
	_, err = p.Import(context.Background(), src)
	h.must(err)
	if d := p.VerifyStore(got.Manifest); d != nil {
		t.Errorf("not repaired: %v", d)
	}
	unit := filepath.Join(p.Generation(1), "units/fleet-demo.target")
	h.must(os.Chmod(unit, 0o644))
	h.must(os.WriteFile(unit, nil, 0o444))
	if _, err := p.Verify(1); err == nil {
		t.Error("an emptied unit passes Verify")
	}
	again, err := p.Import(context.Background(), src)
	h.must(err)
	if again.Number != 2 {
		t.Errorf("adopted the damaged one: %+v", again)
	}
}

// B12: what a hostile build folder may hold. Each is refused as bad input, and nothing of it stays on the host.
func TestImportB12Hostile(t *testing.T) {
	cases := map[string]struct {
		do   func(h *host, dir string)
		want string
	}{
		"link out": {func(h *host, d string) {
			h.must(os.Remove(d + "/agents/lead/run"))
			h.must(os.Symlink("/etc/shadow", d+"/agents/lead/run"))
		}, "agents/lead/run: must be a regular file"},
		"wants link out": {func(h *host, d string) {
			p := d + "/units/multi-user.target.wants/fleet-demo.target"
			h.must(os.Remove(p))
			h.must(os.Symlink("/etc/passwd", p))
		}, `must be a link to "../fleet-demo.target"`},
		"folder link": {func(h *host, d string) {
			h.must(os.Rename(d+"/agents", d+"/../agents"))
			h.must(os.Symlink("../agents", d+"/agents"))
		}, "agents: is not listed"},
		"setuid": {func(h *host, d string) { h.must(os.Chmod(d+"/agents/lead/run", 0o555|fs.ModeSetuid)) }, "must not be setuid"},
		"fifo": {func(h *host, d string) {
			h.must(os.Remove(d + "/agents/lead/run"))
			h.must(syscall.Mkfifo(d+"/agents/lead/run", 0o555))
		}, "must be a regular file"},
		"fifo as manifest": {func(h *host, d string) {
			h.must(os.Remove(d + "/manifest.json"))
			h.must(syscall.Mkfifo(d+"/manifest.json", 0o444))
		}, "is no generation"},
		"newline":      {func(h *host, d string) { h.must(os.WriteFile(d+"/units/a\nb", nil, 0o444)) }, `a\nb: is not listed`},
		"unlisted":     {func(h *host, d string) { h.must(os.WriteFile(d+"/x", nil, 0o444)) }, "x: is not listed"},
		"empty folder": {func(h *host, d string) { h.must(os.Mkdir(d+"/x", 0o755)) }, "x: is not listed"},
		"missing":      {func(h *host, d string) { h.must(os.Remove(d + "/sudoers.d/demo")) }, "sudoers.d/demo: is missing"},
		"huge":         {func(h *host, d string) { h.must(os.Chmod(d+"/REPORT", 0o644)); h.must(os.Truncate(d+"/REPORT", 1<<40)) }, "REPORT: must have 3 bytes"},
		"changed": {func(h *host, d string) {
			h.must(os.Chmod(d+"/REPORT", 0o644))
			h.must(os.WriteFile(d+"/REPORT", []byte("xyz"), 0o444))
		}, "must have the content"},
		"writable file":   {func(h *host, d string) { h.must(os.Chmod(d+"/REPORT", 0o446)) }, "REPORT: can be written by every user"},
		"writable folder": {func(h *host, d string) { h.must(os.Chmod(d+"/units", 0o757)) }, "can be written by every user"},
		"writable parent": {func(h *host, d string) { h.must(os.Chmod(d+"/..", 0o777)) }, "can be written by every user"},
		"several":         {func(h *host, d string) { h.must(os.Remove(d + "/REPORT")); h.must(os.WriteFile(d+"/x", nil, 0o444)) }, "REPORT: is missing"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			tree := manifesttest.New("demo")
			tree.File("REPORT", "0444", "abc")
			src := h.written(tree)
			c.do(h, src.Path)
			_, err := h.profile(system.Real{}).Import(context.Background(), src)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got: %v", err)
			}
			var refused *report.Err
			if name != "fifo as manifest" && !errors.As(err, &refused) {
				t.Errorf("not a refusal: %v", err)
			}
			if left, _ := filepath.Glob(h.root + "/etc/fleet/demo/generations/*"); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// B12: the copy is judged by its own hash, so a file that changes while it is copied is refused.
func TestImportB12ChangesWhileCopied(t *testing.T) {
	h := newHost(t)
	src := h.build("one")
	fx := hook(func(what string) {
		if what == "copy agents/lead/run" {
			p := src.Path + "/agents/lead/run"
			b, err := os.ReadFile(p)
			h.must(err)
			h.must(os.Chmod(p, 0o755))
			h.must(os.WriteFile(p, []byte(strings.ToUpper(string(b))), 0o555))
		}
	})
	_, err := h.profile(fx).Import(context.Background(), src)
	if err == nil || !strings.Contains(err.Error(), "agents/lead/run: must have the content") {
		t.Errorf("got %v", err)
	}
	if left := h.names("etc/fleet/demo/generations"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// hook sees every change before it is made.
type hook func(what string)

func (f hook) Do(what string, do func() error) error {
	f(what)
	return do()
}

// B12: a stranger's folder above the build is refused; the build's owner is the invoker or root and nobody else.
func TestImportB12OtherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		src := newHost(t).build("one")
		src.Invoker = os.Geteuid() + 1
		if _, err := newHost(t).profile(system.Real{}).Import(context.Background(), src); err == nil || !strings.Contains(err.Error(), "is owned by user") {
			t.Errorf("got %v", err)
		}
		return
	}
	h := newHost(t)
	src := h.build("one")
	h.must(os.Chmod(filepath.Dir(src.Path), 0o755))
	h.must(os.Chown(src.Path+"/units", 4242, 4242))
	if _, err := h.profile(system.Real{}).Import(context.Background(), src); err == nil || !strings.Contains(err.Error(), "units: is owned by user 4242") {
		t.Errorf("got %v", err)
	}
	src.Invoker = 4242
	_, err := h.profile(system.Real{}).Import(context.Background(), src)
	h.must(err)
}

// A person gives the link `latest`; a link of somebody else's is refused.
func TestImportThroughLink(t *testing.T) {
	h := newHost(t)
	src := h.build("one")
	dir := t.TempDir()
	h.must(os.Symlink(src.Path, dir+"/abs"))
	h.must(os.Symlink("abs", dir+"/latest"))
	h.must(os.Symlink("loop", dir+"/loop"))
	p := h.profile(system.Real{})
	src.Path = dir + "/latest"
	_, err := p.Import(context.Background(), src)
	h.must(err)
	src.Path = dir + "/loop"
	if _, err := p.Import(context.Background(), src); err == nil || !strings.Contains(err.Error(), "links") {
		t.Errorf("loop: %v", err)
	}
	src.Path = "generations/1"
	if _, err := p.Import(context.Background(), src); err == nil {
		t.Error("a relative path was taken")
	}
	if os.Geteuid() == 0 {
		h.must(os.Lchown(dir+"/latest", 4242, 4242))
		src.Path = dir + "/latest"
		if _, err := p.Import(context.Background(), src); err == nil || !strings.Contains(err.Error(), "is a link of user 4242") {
			t.Errorf("stranger's link: %v", err)
		}
	}
}

func TestImportOtherProject(t *testing.T) {
	h := newHost(t)
	src := h.written(manifesttest.New("other"))
	if _, err := h.profile(system.Real{}).Import(context.Background(), src); err == nil || !strings.Contains(err.Error(), "of project other") {
		t.Errorf("got %v", err)
	}
}

// B1: killed before any of its changes, an import leaves nothing that the next one does not clean up, and the number is
// never given twice.
func TestImportB1Killed(t *testing.T) {
	given := 0
	atEachStep(t, func(t *testing.T, fx *killedAt) error {
		h := newHost(t)
		src := h.build("one")
		_, err := h.profile(fx).Import(context.Background(), src)
		p := h.profile(system.Real{})
		if numbers, nerr := p.Numbers(); nerr == nil && len(numbers) > 0 {
			for _, n := range numbers {
				_, verr := p.Verify(n)
				h.must(verr)
			}
		}
		if st, serr := p.LoadState(); serr == nil {
			given = st.Last
		}
		next, ierr := p.Import(context.Background(), h.build("two"))
		h.must(ierr)
		if next.Number <= given {
			t.Errorf("step %d: number %d was given before", fx.at, next.Number)
		}
		if left := h.hasLeftovers(); left != nil {
			t.Errorf("step %d: left %v", fx.at, left)
		}
		return err
	})
}

// Steps have the same texts in every run, so that one can be named.
func TestImportStepsAreStable(t *testing.T) {
	var runs [2][]string
	for i, nonce := range []string{"0000000000000000", "ffffffffffffffff"} {
		h := newHost(t)
		src := h.build("one")
		src.Nonce = nonce
		fx := &killedAt{at: 1 << 30}
		_, err := h.profile(fx).Import(context.Background(), src)
		h.must(err)
		for _, s := range fx.steps {
			runs[i] = append(runs[i], strings.ReplaceAll(s, h.root, ""))
		}
	}
	if d := cmp.Diff(runs[0], runs[1]); d != "" {
		t.Error(d)
	}
	if !slices.Contains(runs[0], "rename to /etc/fleet/demo/generations/1") {
		t.Errorf("%q", runs[0])
	}
}

func TestInspectChangesNothing(t *testing.T) {
	h := newHost(t)
	m, err := h.profile(system.Real{}).Inspect(h.build("one"))
	h.must(err)
	if m.Project != "demo" || len(h.names("etc")) != 0 || len(h.names("run")) != 0 {
		t.Errorf("%v: %v", m.Project, h.names("etc"))
	}
}

func TestFind(t *testing.T) {
	h := newHost(t)
	h.imported("one")
	h.imported("two")
	p := h.profile(system.Real{})
	m, err := p.Read(2)
	h.must(err)
	for arg, want := range map[string]int{"1": 1, "2": 2, string(m.ID): 2, string(m.ID[:8]): 2, "3": 0, "zz": 0, "": 0, "../1": 0, string(m.ID[:3]): 0} {
		if n, err := p.Find(arg); n != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", arg, n, err)
		}
	}
}
