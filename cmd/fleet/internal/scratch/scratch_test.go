package scratch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/caller"
)

// What is written is there for the programs that run in it and, for root, for nobody else; at the end nothing is left.
func TestDir(t *testing.T) {
	who, err := caller.This()
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(who)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			d.Close()
		}
	})
	if err := d.Write("x.env", []byte("A=canary\n")); err != nil {
		t.Fatal(err)
	}
	if err := d.Write("x.env", nil); err == nil {
		t.Error("a file that is there was replaced")
	}
	c := d.Command(t.Context(), "/bin/sh", "-euc", `grep -q canary "$1"; echo B=2 >>"$1"; stat -c %a "$(dirname "$1")"`, "sh", d.Path("x.env"))
	var out strings.Builder
	c.Stdout = &out
	if err := d.Run(c); err != nil || out.String() != "700\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if text, err := d.Read("x.env", 100); err != nil || string(text) != "A=canary\nB=2\n" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := d.Read("x.env", 3); err != nil || string(text) != "A=c" {
		t.Errorf("over the limit: %q, %v", text, err)
	}
	if d.on != nil {
		if seen, err := filepath.Glob(d.path + "/*"); err != nil || len(seen) > 0 {
			t.Errorf("in sight of others: %v, %v", seen, err)
		}
	}
	link := d.Command(t.Context(), "/bin/sh", "-euc", `rm "$1"; ln -s /etc/hostname "$1"`, "sh", d.Path("x.env"))
	if err := d.Run(link); err != nil {
		t.Fatal(err)
	}
	if text, err := d.Read("x.env", 100); err == nil {
		t.Errorf("a link was followed: %q", text)
	}
	closed = true
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(d.path); err == nil {
		t.Errorf("%s is left", d.path)
	}
}
