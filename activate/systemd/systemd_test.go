package systemd

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

func TestMajorVersion(t *testing.T) {
	for text, want := range map[string]int{`"252.39-1~deb12u2"`: 252, `"v257"`: 257, `"249"`: 249, `"260~rc1"`: 260} {
		if got, err := majorVersion(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", `""`, `"rawhide"`} {
		if got, err := majorVersion(text); err == nil {
			t.Errorf("%s: %d without an error", text, got)
		}
	}
}

// ACT-B21: a refusal for too many reloads is told apart.
func TestReloadError(t *testing.T) {
	limited := reloadError(godbus.Error{Name: errLimits, Body: []any{"Reload() request rejected due to rate limit."}})
	if !errors.Is(limited, ErrRateLimited) {
		t.Errorf("%v", limited)
	}
	other := reloadError(godbus.Error{Name: "org.freedesktop.DBus.Error.NoSpace", Body: []any{"no space"}})
	if errors.Is(other, ErrRateLimited) || other.Error() != "daemon-reload: no space" {
		t.Errorf("%v", other)
	}
	if reloadError(nil) != nil {
		t.Error("no error must stay none")
	}
}

func TestConcluded(t *testing.T) {
	for _, c := range []struct{ kind, state, want string }{
		{Start, "active", "done"},
		{Start, "failed", "failed"},
		{Stop, "inactive", "done"},
		{Stop, "failed", "done"},
		{Stop, "active", "failed"},
		{Restart, "activating", "failed"},
		{Reload, "reloading", "done"},
		{Start, "inactive", "failed"},
	} {
		if got := concluded(Job{"a", c.kind}, c.state, false); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.state, got, c.want)
		}
	}
	for state, want := range map[string]string{"inactive": "done", "failed": "failed", "activating": "failed"} {
		if got := concluded(Job{"a", Start}, state, true); got != want {
			t.Errorf("start of a oneshot, %s: %s, want %s", state, got, want)
		}
	}
}

func TestFirst(t *testing.T) {
	var faults []error
	for i := range 12 {
		faults = append(faults, fmt.Errorf("fault %d", i))
	}
	if got := first(errors.Join(faults...), 2).Error(); got != "fault 0\nfault 1\nand 10 more" {
		t.Errorf("%q", got)
	}
}

// systemd would replace variables in braces by its own before the shell sees them.
func TestEndingScript(t *testing.T) {
	if strings.Contains(endingScript, "${") || strings.Contains(endingScript, "$$") {
		t.Error("systemd would change the script")
	}
	for _, check := range [][]string{{"sh", "-n"}, {"shellcheck", "-s", "sh", "-"}} {
		cmd := exec.Command(check[0], check[1:]...)
		cmd.Stdin = strings.NewReader(endingScript + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", check[0], err, out)
		}
	}
}
