package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/system"
)

func TestConfirmRotates(t *testing.T) {
	h := newHost(t)
	for _, text := range []string{"a", "b", "c", "d"} {
		h.imported(text)
	}
	p := h.profile(system.Real{})
	for _, c := range []struct {
		n    int
		want [3]int
	}{{1, [3]int{1}}, {2, [3]int{2, 1}}, {2, [3]int{2, 1}}, {3, [3]int{3, 2, 1}}, {4, [3]int{4, 3, 2}}, {3, [3]int{3, 4, 2}}, {4, [3]int{4, 3, 2}}} {
		h.must(p.Confirm(c.n))
		got, err := p.Boots()
		h.must(err)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("confirm %d: %s", c.n, d)
		}
	}
	target, err := os.Readlink(h.root + "/etc/fleet/demo/boot")
	h.must(err)
	if target != "generations/4" {
		t.Errorf("boot must be relative, is %q", target)
	}
}

// B3: killed before any of its changes, `boot` names what it named or the new one, both whole, and doing it again comes
// to the same end.
func TestConfirmB3Killed(t *testing.T) {
	atEachStep(t, func(t *testing.T, fx *killedAt) error {
		h := newHost(t)
		p := h.profile(system.Real{})
		for n, text := range []string{"a", "b", "c"} {
			h.imported(text)
			if n < 2 {
				h.must(p.Confirm(n + 1))
			}
		}
		err := h.profile(fx).Confirm(3)
		boot, berr := p.Boot()
		h.must(berr)
		if boot != 2 && boot != 3 || err == nil && boot != 3 {
			t.Errorf("step %d: boot names %d", fx.at, boot)
		}
		_, verr := p.Verify(boot)
		h.must(verr)
		h.must(p.Confirm(3))
		got, berr := p.Boots()
		h.must(berr)
		if d := cmp.Diff([3]int{3, 2, 1}, got); d != "" {
			t.Errorf("step %d: %s", fx.at, d)
		}
		if left, _ := filepath.Glob(h.root + "/etc/fleet/demo/.*"); left != nil {
			t.Errorf("step %d: left %v", fx.at, left)
		}
		return err
	})
}

// B11: what is damaged never becomes the generation that boots.
func TestConfirmB11Damaged(t *testing.T) {
	h := newHost(t)
	h.imported("a")
	p := h.profile(system.Real{})
	unit := filepath.Join(p.Generation(1), "units/fleet-demo.target")
	h.must(os.Chmod(unit, 0o644))
	if err := p.Confirm(1); err == nil {
		t.Error("a writable unit was confirmed")
	}
	if boot, err := p.Boot(); boot != 0 || err != nil {
		t.Errorf("boot is %d, %v", boot, err)
	}
}

// B11: what is damaged stands in for nothing, and does not push out what is whole.
func TestConfirmB11DropsDamaged(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	for n, text := range []string{"a", "b", "c", "d"} {
		h.imported(text)
		if n < 3 {
			h.must(p.Confirm(n + 1))
		}
	}
	for _, c := range []struct {
		damage int
		want   [3]int
	}{{2, [3]int{4, 3, 1}}, {3, [3]int{4, 1}}} {
		h.must(os.Chmod(filepath.Join(p.Generation(c.damage), "units/fleet-demo.target"), 0o644))
		h.must(p.Confirm(4))
		got, err := p.Boots()
		h.must(err)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("with %d damaged: %s", c.damage, d)
		}
	}
}

func TestActive(t *testing.T) {
	h := newHost(t)
	h.imported("a")
	p := h.profile(system.Real{})
	if n, err := p.Active(); n != 0 || err != nil {
		t.Errorf("before: %d, %v", n, err)
	}
	h.must(p.SetActive(1))
	if n, err := p.Active(); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	target, err := os.Readlink(h.root + "/run/fleet/demo/active")
	h.must(err)
	if target != "/etc/fleet/demo/generations/1" {
		t.Errorf("active -> %q", target)
	}
	h.must(p.ClearActive())
	h.must(p.ClearActive())
	if n, err := p.Active(); n != 0 || err != nil {
		t.Errorf("after: %d, %v", n, err)
	}
}

func TestLinksOfOthersAreErrors(t *testing.T) {
	for _, target := range []string{"/etc", "generations/../1", "generations/01", "generations/0", "generations/1x", "generations/1/.."} {
		h := newHost(t)
		h.imported("a")
		h.must(os.Symlink(target, h.root+"/etc/fleet/demo/boot"))
		if n, err := h.profile(system.Real{}).Boot(); err == nil || !strings.Contains(err.Error(), "must lead to") {
			t.Errorf("%s: %d, %v", target, n, err)
		}
	}
}

func TestPrepareRefusesForeignFolder(t *testing.T) {
	h := newHost(t)
	h.must(os.Symlink(t.TempDir(), h.root+"/run/fleet"))
	if err := h.profile(system.Real{}).Prepare(); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link was taken for a folder: %v", err)
	}
}
