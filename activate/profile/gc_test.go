package profile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest/manifesttest"
	"fleet/schemas/state"
)

// eight is a host with generations 1 to 8; 1 to 6 were confirmed in turn, 6 is live.
func eight(t *testing.T) (*host, *profile.Profile) {
	t.Helper()
	h := newHost(t)
	p := h.profile(system.Real{})
	for n := 1; n <= 8; n++ {
		h.imported(fmt.Sprint("text ", n))
		if n <= 6 {
			h.must(p.Confirm(n))
			st, err := p.LoadState()
			h.must(err)
			st.Confirm(n)
			h.must(p.SaveState(st))
		}
	}
	h.must(p.SetActive(6))
	return h, p
}

func collect(t *testing.T, p *profile.Profile, retention int) profile.Collected {
	t.Helper()
	got, err := p.Collect(context.Background(), profile.GC{Retention: retention})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func record(h *host, p *profile.Profile, n int, unit string) {
	h.Helper()
	m, err := p.Read(n)
	h.must(err)
	for _, u := range m.Units {
		if u.Name == unit {
			line := u.Digest + " " + strings.Repeat("0", 32) + "\n"
			h.must(os.WriteFile(filepath.Join(p.RunningUnits(), unit), []byte(line), 0o644))
		}
	}
}

// B28: kept are the newest confirmed, what boots, what is live, what is pinned, what still runs, what a switch needs.
func TestCollectB28Keeps(t *testing.T) {
	h, p := eight(t)
	st, err := p.LoadState()
	h.must(err)
	st.Pin(1, true)
	h.must(p.SaveState(st))
	record(h, p, 2, "fleet-demo-lead.service")
	record(h, p, 3, "fleet-demo.target") // the same in all of them: no reason to keep 3
	h.must(p.SaveTxn(&state.Txn{Version: 1, Project: "demo", Nonce: "0123456789abcdef", Action: "switch", Phase: "P6", From: 6, To: 8}))
	got := collect(t, p, 2)
	if d := cmp.Diff([]int{3, 7}, got.Generations); d != "" {
		t.Error(d)
	}
	if len(got.Store) != 2 || got.Warnings != nil {
		t.Errorf("%+v", got)
	}
	for _, n := range []int{1, 2, 4, 5, 6, 8} {
		m, err := p.Verify(n)
		h.must(err)
		if missing := p.VerifyStore(m); missing != nil {
			t.Errorf("%d lost %v", n, missing)
		}
	}
	if again := collect(t, p, 2); again.Generations != nil || again.Store != nil {
		t.Errorf("a second time: %+v", again)
	}
	st, err = p.LoadState()
	h.must(err)
	if g, _ := st.Get(7); !g.Gone {
		t.Error("7 is not marked as gone")
	}
	if n := h.imported("text 7"); n != 9 {
		t.Errorf("number %d, want 9", n)
	}
}

// The store of a project is not touched by another one's collection.
func TestCollectOtherProjects(t *testing.T) {
	h, p := eight(t)
	other := profile.New(profile.Layout{Project: "other", Root: h.root}, system.Real{})
	tree := manifesttest.New("other")
	tree.File("libexec/x", "0555", "#!/bin/sh\n# only other's\n")
	got, err := other.Import(context.Background(), h.written(tree))
	h.must(err)
	collect(t, p, 1)
	if missing := other.VerifyStore(got.Manifest); missing != nil {
		t.Errorf("the other project lost %v", missing)
	}
	manifestFile := filepath.Join(other.Generation(1), "manifest.json")
	h.must(os.Chmod(manifestFile, 0o644))
	h.must(os.WriteFile(manifestFile, nil, 0o644))
	h.imported("new")
	before := h.names("var/lib/fleet/store")
	st := collect(t, p, 1)
	if len(st.Warnings) != 1 || !slices.Equal(before, h.names("var/lib/fleet/store")) {
		t.Errorf("nobody can tell what the other one needs, and the store was touched: %+v", st)
	}
}

// An instance that no generation covers keeps the store as it is.
func TestCollectUnknownInstance(t *testing.T) {
	h, p := eight(t)
	h.must(os.WriteFile(filepath.Join(p.RunningUnits(), "fleet-demo-x.service"), []byte(strings.Repeat("f", 32)+" "+strings.Repeat("0", 32)+"\n"), 0o644))
	got := collect(t, p, 1)
	if len(got.Warnings) != 1 || got.Store != nil || !strings.Contains(got.Warnings[0], "fleet-demo-x.service") {
		t.Errorf("%+v", got)
	}
}

// B28: killed before any of its changes, a collection leaves no half generation, and the next one finishes.
func TestCollectB28Killed(t *testing.T) {
	atEachStep(t, func(t *testing.T, fx *killedAt) error {
		h := newHost(t)
		p := h.profile(system.Real{})
		for n := 1; n <= 3; n++ {
			h.imported(fmt.Sprint(n))
		}
		h.must(p.Confirm(3))
		_, err := h.profile(fx).Collect(context.Background(), profile.GC{Retention: 1})
		numbers, nerr := p.Numbers()
		h.must(nerr)
		for _, n := range numbers {
			m, verr := p.Verify(n)
			h.must(verr)
			if missing := p.VerifyStore(m); missing != nil {
				t.Errorf("step %d: %d lost %v", fx.at, n, missing)
			}
		}
		collect(t, p, 1)
		if numbers, _ := p.Numbers(); !slices.Equal(numbers, []int{3}) || h.hasLeftovers() != nil {
			t.Errorf("step %d: %v, %v", fx.at, numbers, h.hasLeftovers())
		}
		if n := len(h.names("var/lib/fleet/store")); n != 1 {
			t.Errorf("step %d: %d files in the store", fx.at, n)
		}
		if n := h.imported("next"); n != 4 {
			t.Errorf("step %d: number %d was given before", fx.at, n)
		}
		return err
	})
}

// B30: the tree is as before; a second call does nothing; another project stays whole.
func TestUninstallB30(t *testing.T) {
	h, p := eight(t)
	h.must(p.Uninstall(false))
	h.must(p.Uninstall(false))
	for _, dir := range []string{"etc", "run", "var/lib"} {
		if left := h.names(dir); len(left) != 0 {
			t.Errorf("%s holds %v", dir, left)
		}
	}
	h.imported("again")
	other := profile.New(profile.Layout{Project: "other", Root: h.root}, system.Real{})
	got, err := other.Import(context.Background(), h.written(manifesttest.New("other")))
	h.must(err)
	h.must(p.Uninstall(false))
	_, err = other.Verify(1)
	h.must(err)
	if missing := other.VerifyStore(got.Manifest); missing != nil {
		t.Errorf("the other project lost %v", missing)
	}
	if n := len(h.names("var/lib/fleet/store")); n != 1 {
		t.Errorf("%d files in the store", n)
	}
}

func TestUninstallB30Killed(t *testing.T) {
	atEachStep(t, func(t *testing.T, fx *killedAt) error {
		h := newHost(t)
		h.imported("a")
		p := h.profile(system.Real{})
		h.must(p.Confirm(1))
		h.must(p.SetActive(1))
		err := h.profile(fx).Uninstall(false)
		if boot, berr := p.Boot(); berr != nil || boot != 0 {
			_, verr := p.Verify(boot)
			h.must(verr)
		}
		h.must(p.Uninstall(false))
		for _, dir := range []string{"etc", "run", "var/lib"} {
			if left := h.names(dir); len(left) != 0 {
				t.Errorf("step %d: %s holds %v", fx.at, dir, left)
			}
		}
		return err
	})
}
