//go:build machine

package profile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/activate/system"
	"fleet/schemas/manifest/manifesttest"
	"fleet/schemas/report"
)

// small puts part of the host's tree on a file system of its own.
func small(h *host, path, options string) {
	h.Helper()
	at := filepath.Join(h.root, path)
	h.must(os.MkdirAll(at, 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", at).CombinedOutput(); err != nil {
		h.Fatalf("mount: %v %s", err, out)
	}
	h.Cleanup(func() { h.must(exec.Command("umount", at).Run()) })
}

// ACT-B8: a full disk is refused before a byte is copied, with the need.
func TestImportB8Full(t *testing.T) {
	for name, c := range map[string]struct{ path, options string }{
		"no room in /etc":   {"etc", "size=64k"},
		"no room in /var":   {"var/lib", "size=64k"},
		"no inodes in /etc": {"etc", "size=64m,nr_inodes=20"},
		"no inodes in /var": {"var/lib", "size=64m,nr_inodes=20"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			small(h, c.path, c.options)
			_, err := h.profile(system.Real{}).Import(context.Background(), h.build("one"))
			var refused *report.Err
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "inodes free, has") {
				t.Errorf("got %v", err)
			}
			if left := h.names("etc/fleet/demo/generations"); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// ACT-B8: a disk that fills up at any step leaves nothing half, and the error says that it is full.
func TestImportB8FillsUp(t *testing.T) {
	for _, full := range []string{"etc", "var/lib"} {
		steps := []string{"copy agents/lead/run", "write store ", "write /", "close incoming generation"}
		for _, step := range steps {
			t.Run(full+" "+step, func(t *testing.T) {
				h := newHost(t)
				small(h, full, "size=4m")
				tree := manifesttest.New("demo")
				tree.File("agents/lead/run", "0555", "#!/bin/sh\n"+strings.Repeat("# long\n", 10000))
				filled := false
				fx := hook(func(what string) {
					if !filled && strings.HasPrefix(strings.ReplaceAll(what, h.root, ""), step) {
						filled = true
						exec.Command("dd", "if=/dev/zero", "of="+filepath.Join(h.root, full, "filler"), "bs=4k").Run() //nolint:errcheck // it ends when the disk is full
					}
				})
				_, err := h.profile(fx).Import(context.Background(), h.written(tree))
				if !filled {
					t.Fatal("the step never came")
				}
				if err != nil && !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("got %v", err)
				}
				h.must(os.Remove(filepath.Join(h.root, full, "filler")))
				p := h.profile(system.Real{})
				numbers, nerr := p.Numbers()
				h.must(nerr)
				if (err == nil) != (len(numbers) == 1) || h.hasLeftovers() != nil {
					t.Errorf("%v: %v, left %v", err, numbers, h.hasLeftovers())
				}
				got, err := p.Import(context.Background(), h.build("two"))
				h.must(err)
				if _, err := p.Verify(got.Number); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
