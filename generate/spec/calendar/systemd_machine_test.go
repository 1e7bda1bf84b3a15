//go:build machine

package calendar

import (
	"os/exec"
	"testing"
)

// TestSystemdAgrees holds the tables against the real reader.
func TestSystemdAgrees(t *testing.T) {
	accepts := func(expr string) bool {
		return exec.Command("systemd-analyze", "calendar", "--", expr).Run() == nil
	}
	for _, expr := range append(good, stricter...) {
		if !accepts(expr) {
			t.Errorf("systemd refuses %q", expr)
		}
	}
	for _, expr := range bad {
		if accepts(expr) {
			t.Errorf("systemd accepts %q", expr)
		}
	}
}
