//go:build machine

package machine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const testTimeout = 4 * time.Minute

// boot boots a machine that is closed with the test.
func boot(t *testing.T, o Options) *Machine {
	t.Helper()
	m, err := Boot(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// sh runs a script in the machine and returns its output, which must come with exit status 0.
func sh(t *testing.T, m *Machine, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	out, errOut, err := m.Run(ctx, "sh", "-euc", script)
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, errOut)
	}
	return strings.TrimSpace(out)
}

// A machine boots, runs commands, keeps its files over a reboot, and goes without a trace.
func TestLife(t *testing.T) {
	before := hostState(t)
	m := boot(t, Options{Name: "life"})
	ns := pidNamespace(t, m)

	if got := sh(t, m, "hostname; cat /proc/1/comm; id -u; pwd; ls /home; systemctl is-active dbus systemd-logind"); got !=
		"life\nsystemd\n0\n/\nactive\nactive" {
		t.Errorf("in the machine: %q", got)
	}
	if got := sh(t, m, "ip -o link | wc -l"); got != "1" {
		t.Errorf("the machine has %s network interfaces, want the loopback one only", got)
	}
	_, errOut, err := m.Run(t.Context(), "sh", "-c", "echo oops >&2; exit 7")
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 7 || errOut != "oops\n" {
		t.Errorf("exit 7 arrived as %v with %q", err, errOut)
	}

	sh(t, m, "echo kept >/etc/kept; echo lost >/run/lost; mkdir -p /var/lib/fleet")
	id := sh(t, m, "cat /proc/sys/kernel/random/boot_id")
	if err := m.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, m, "cat /etc/kept; ls -d /var/lib/fleet; ls /run/lost 2>&1 || true"); got !=
		"kept\n/var/lib/fleet\nls: cannot access '/run/lost': No such file or directory" {
		t.Errorf("after the reboot: %q", got)
	}
	if sh(t, m, "cat /proc/sys/kernel/random/boot_id") == id {
		t.Error("the boot id is that of before the reboot")
	}

	if data, err := os.ReadFile(m.Path("/etc/kept")); err != nil || string(data) != "kept\n" {
		t.Errorf("from outside: %q, %v", data, err)
	}
	if err := m.Poweroff(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(m.Path("/etc/kept")); err != nil || string(data) != "kept\n" {
		t.Errorf("from outside, machine off: %q, %v", data, err)
	}
	if _, _, err := m.Run(t.Context(), "true"); err == nil {
		t.Error("a command runs in a machine that is off")
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	noTrace(t, before, ns)
	if _, err := os.Stat("/etc/kept"); err == nil {
		t.Error("the machine wrote to this host")
	}
}

// What this host has of its own fleet and its users is not seen.
func TestMasks(t *testing.T) {
	root := t.TempDir()
	for _, d := range []string{
		"usr/bin", "usr/lib/systemd/system/multi-user.target.wants", "data/home/ann",
		"etc/fleet/p", "var/lib/fleet/p", "root/.ssh", "etc/systemd/system/multi-user.target.wants",
	} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link(t, "/data/home", filepath.Join(root, "home"))
	link(t, "../kept", filepath.Join(root, "usr/lib/systemd/system/multi-user.target.wants/dbus.service"))
	link(t, "../gone", filepath.Join(root, "usr/lib/systemd/system/multi-user.target.wants/getty.target"))
	link(t, "../gone", filepath.Join(root, "etc/systemd/system/multi-user.target.wants/cron.service"))
	if err := os.WriteFile(filepath.Join(root, "etc/fstab"), []byte("/dev/sdz /data ext4\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	m := &Machine{opts: Options{Name: "masks", Root: root}.withDefaults(), id: newID(), console: &tail{}}
	if err := m.build(); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var got []string
	err := filepath.WalkDir(m.Path("/"), func(path string, _ os.DirEntry, err error) error {
		got = append(got, strings.TrimPrefix(path, filepath.Clean(m.Path("/"))))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"", "/data", "/data/home", "/etc", "/etc/hostname", "/etc/hosts", "/etc/systemd", "/etc/systemd/system",
		"/etc/systemd/system/multi-user.target.wants", "/home", "/root", "/usr", "/usr/bin", "/usr/lib",
		"/usr/lib/systemd", "/usr/lib/systemd/system", "/usr/lib/systemd/system/multi-user.target.wants",
		"/usr/lib/systemd/system/multi-user.target.wants/dbus.service", "/var", "/var/lib",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the tree has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each option has its effect.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := boot(t, Options{
		Name: "options", WithoutDBus: true, WithoutLogind: true, RunSize: "24m", RunNoExec: true,
		UpperSize: "512m",
		Files:     []File{{Outside: tool, Inside: "/usr/local/bin/hello"}},
		Binds:     []Bind{{Outside: dir, Inside: "/opt/bound:here"}},
		Volumes: []Volume{
			{Path: "/var"},
			{Path: "/var/lib/fleet/store", NoExec: true},
			{Path: "/etc/fleet", Size: "1m"},
		},
	})
	check := func(m *Machine) {
		t.Helper()
		for script, want := range map[string]string{
			"hello":                                     "hello",
			"'/opt/bound:here/tool'":                    "hello",
			"! touch '/opt/bound:here/x' 2>&1":          "touch: cannot touch '/opt/bound:here/x': Read-only file system",
			"df --output=size /run | tail -1":           "24576",
			"findmnt -no OPTIONS /run | grep -o noexec": "noexec",
			"df --output=size / | tail -1":              "524288",
			"pgrep -x dbus-daemon || echo none":         "none",
			"pgrep -x systemd-logind || echo none":      "none",
			"mountpoint -q /var && ls -d /var/lib/dpkg": "/var/lib/dpkg",
			"cp /usr/local/bin/hello /var/lib/fleet/store; ! /var/lib/fleet/store/hello 2>/dev/null": "",
			"! head -c 2M /dev/zero >/etc/fleet/big 2>/dev/null; ls /etc/fleet":                      "big",
			"systemctl is-system-running": "running",
		} {
			if got := sh(t, m, script); got != want {
				t.Errorf("%s: %q, want %q", script, got, want)
			}
		}
	}
	check(m)
	if err := m.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(m)
}

// With AllServices, the machine starts what the host enables.
func TestAllServices(t *testing.T) {
	m := boot(t, Options{Name: "all", AllServices: true})
	if got := sh(t, m, "ls /etc/systemd/system/multi-user.target.wants | wc -l"); got == "0" {
		t.Error("the host's services are not enabled")
	}
}

// A command that outlives its context is killed inside too.
func TestRunEndsWithContext(t *testing.T) {
	m := boot(t, Options{Name: "ctx"})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, _, err := m.Run(ctx, "sh", "-c", "sleep 31415 & wait")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if got := sh(t, m, "pgrep -f 'sleep 3141[5]' || echo none"); got != "none" {
		t.Errorf("still running: %s", got)
	}
}

// A boot that fails or is given up leaves nothing, and says why.
func TestFailedBoot(t *testing.T) {
	before := hostState(t)
	empty := t.TempDir()
	_, err := Boot(t.Context(), Options{Name: "broken", Root: empty})
	if err == nil || !strings.Contains(err.Error(), "doesn't look like") {
		t.Errorf("an empty root: %v", err)
	}
	for _, wait := range []time.Duration{1, 10, 20, 40, 80, 160} {
		ctx, cancel := context.WithTimeout(t.Context(), wait*time.Millisecond)
		m, err := Boot(ctx, Options{Name: "hasty"})
		cancel()
		if err == nil { // this host is quick
			err = m.Close()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %dms: %v", wait, err)
		}
	}
	_, err = Boot(t.Context(), Options{Name: "slow", BootTimeout: 10 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "machine slow: not booted after 10ms") {
		t.Errorf("timeout: %v", err)
	}
	noTrace(t, before, "")
}

func link(t *testing.T, target, at string) {
	t.Helper()
	if err := os.Symlink(target, at); err != nil {
		t.Fatal(err)
	}
}
