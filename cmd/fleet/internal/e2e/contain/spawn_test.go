//go:build machine

package contain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// setuidCopy is this program, root's and with the setuid bit, where agents find it.
const setuidCopy = "/usr/local/bin/hostile-setuid"

// spawn tries to have a process outside of the unit, or as somebody else.
func spawn(string) []attempt {
	transient := []string{
		"busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"StartTransientUnit", "ssa(sv)a(sa(sv))", "evil.service", "replace", "1", "ExecStart", "a(sasb)", "1", "/bin/true", "1", "/bin/true", "false", "0",
	}
	out := []attempt{
		{"systemd-run", "root", command("systemd-run", "-q", "true")},
		{"systemd-run --user", "", command("systemd-run", "-q", "--user", "true")},
		{"systemd-run --user as a scope", "", command("systemd-run", "-q", "--user", "--scope", "true")},
		{"StartTransientUnit", "root", command(transient...)},
		{"D-Bus activation", "nobody", command("dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.hostname1",
			"/org/freedesktop/hostname1", "org.freedesktop.DBus.Peer.Ping")},
		{"systemctl start", "root", command("systemctl", "start", "systemd-tmpfiles-clean.service")},
		{"systemctl --user", "", command("systemctl", "--user", "daemon-reload")},
		{"loginctl enable-linger", "", command("loginctl", "enable-linger")},
		{"machinectl shell", "", command("machinectl", "shell", ".host", "/bin/true")},
		{"su", "root", command("su", "-c", "true")},
		{"su to itself", "", command("sh", "-c", `su -s /bin/sh -c true "$(id -un)" </dev/null`)},
		{"sudo", "root", command("sudo", "-n", "true")},
		{"login", "", command("login", "-f", "root", "true")},
		{"newgrp", "", command("sh", "-c", "echo true | newgrp tty")},
		{"mount as a user", "", command("mount", "/mnt")},
		{"ssh to itself", "", command("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "127.0.0.1", "true")},
		{"crontab", "", command("sh", "-c", "echo '* * * * * true' | crontab -")},
		{"at", "", command("sh", "-c", "echo true | at now")},
		{"pkexec", "", command("pkexec", "true")},
		{"a setuid program", "nobody", setuid},
		{"a capability of a file", "nobody", command(setuidCopy+"-cap", "listen-low")},
		{"join another unit's control group", "root", joinGroup},
		{"clone into another control group", "root", cloneInto},
	}
	for _, dir := range []string{"/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron/atjobs", "/etc/systemd/system", "/run/systemd/system", "/run/systemd/transient", "/etc/profile.d", "/etc/xdg/autostart", "/var/lib/systemd/linger"} {
		out = append(out, attempt{"write to " + dir, "", func() error {
			return opened(filepath.Join(dir, "fleet-contain"), os.O_WRONLY|os.O_CREATE)
		}})
	}
	return out
}

// setuid runs the setuid copy, which tells whose rights it has.
func setuid() error {
	out, err := exec.Command(setuidCopy, "whoami").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if strings.TrimSpace(string(out)) != "0" {
		return errors.New("it runs as " + string(out))
	}
	return nil
}

func whoami([]string) { fmt.Println(os.Geteuid()) }

// listenLow needs CAP_NET_BIND_SERVICE or a sysctl; what it finds is its effective capabilities.
func listenLow([]string) {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	_, rest, _ := strings.Cut(string(status), "CapEff:\t")
	eff, _, _ := strings.Cut(rest, "\n")
	if n, err := strconv.ParseUint(eff, 16, 64); err != nil || n == 0 {
		must(errors.New("no capability: " + eff))
	}
}

func joinGroup() error {
	return errors.Join(os.MkdirAll("/sys/fs/cgroup/evil", 0o755),
		os.WriteFile("/sys/fs/cgroup/evil/cgroup.procs", []byte("0"), 0o644))
}

func cloneInto() error {
	fd, err := unix.Open("/sys/fs/cgroup", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	c := exec.Command("true")
	c.SysProcAttr = &unix.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	return c.Run()
}

// ghost leaves its session in every way that needs no help: a process of its own session, whose parent has ended.
func ghost([]string) {
	pid, err := detach("forked")
	report(filepath.Join(os.Getenv("HOME"), "seen", "ghost"), fmt.Sprint(pid, " ", err))
}

func forked([]string) {
	pid, err := detach("sleep")
	fmt.Println(pid, err)
}

func sleep([]string) { select {} }

// killRunner kills the main process of its unit, and whatever lies between.
func killRunner([]string) {
	must(unix.Kill(-1, unix.SIGKILL))
}
