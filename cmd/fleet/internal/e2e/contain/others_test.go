//go:build machine

package contain

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ownPort is where a development server of an agent listens: u2 may, by its localPorts.
const ownPort = "6000"

// others tries to reach what belongs to other agents, and what of the host an agent has no use for.
func others(who string) []attempt {
	var out []attempt
	for _, key := range agents {
		if key == who {
			continue
		}
		own := "/run/fleet/demo/" + key
		for _, dir := range []string{"/home/demo-" + key, own, own + "/own", "/var/lib/fleet/demo/records/" + key, "/var/lib/fleet/demo/keys/" + key} {
			free := "root"
			if filepath.Base(filepath.Dir(dir)) == "keys" {
				free = "" // made for agents that sign only
			}
			out = append(out, attempt{"list " + dir, free, listed(dir)})
		}
		out = append(out, attempt{"touch the heartbeat of " + key, "", func() error {
			return os.Chtimes(own+"/own/beat", time.Now(), time.Now())
		}}, attempt{"connect to the tmux of " + key, "", connect(own + "/own/tmux")})
	}
	for _, dir := range []string{
		"/root", "/etc/fleet/demo", "/var/lib/fleet/demo/txn", "/var/log", "/run/log", "/run/systemd/journal", "/run/systemd/units",
		"/sys", "/sys/fs/cgroup", "/sys/class/net", "/srv", "/opt", "/mnt", "/etc/systemd", "/etc/ssh", "/var/spool", "/run/fleet/demo/firewall",
	} {
		free := "root"
		switch dir {
		case "/srv", "/opt", "/mnt":
			free = "nobody"
		}
		out = append(out, attempt{"list " + dir, free, listed(dir)})
	}
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/srv", "/opt", "/mnt"} {
		path := filepath.Join(dir, hostFileName)
		out = append(out, attempt{"read " + path, "nobody", func() error { return opened(path, os.O_RDONLY) }},
			attempt{"write " + path, "nobody", func() error { return opened(path, os.O_WRONLY) }})
	}
	for _, path := range []string{"/etc/shadow", "/etc/sudoers", "/proc/1/environ", "/proc/1/root/etc", "/proc/kcore", "/dev/mem", "/dev/kmsg", "/proc/kmsg"} {
		free := "root"
		if path == "/dev/mem" || path == "/proc/kcore" || path == "/proc/kmsg" || path == "/dev/kmsg" {
			free = "" // a container masks some of them
		}
		out = append(out, attempt{"read " + path, free, func() error { return opened(path, os.O_RDONLY) }})
	}
	return append(out,
		attempt{"see a process of another user", "root", foreign},
		attempt{"signal a process of another user", "root", func() error { return syscall.Kill(1, 0) }},
		attempt{"a port of another agent", "", dial("tcp", "127.0.0.1:"+ownPort)})
}

func listed(dir string) func() error {
	return func() error { _, err := os.ReadDir(dir); return err }
}

// foreign succeeds where a process of another user can be seen.
func foreign() error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(dirs) == 0 {
		return fmt.Errorf("no process in /proc: %w", err)
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != os.Getuid() || err == nil && os.Getuid() == 0 && filepath.Base(dir) == "1" {
			return nil
		}
	}
	return errors.New("only its own")
}

// ownServer serves on a loopback port of its own and connects to it.
func ownServer(who string) []attempt {
	address := "127.0.0.1:6005"
	if who == "u1" {
		address = "127.0.0.1:7005" // u2 may have that one
	}
	return []attempt{{"a server of its own", "", func() error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		defer l.Close()
		return dial("tcp", address)()
	}}}
}

// detach runs the program once more with other arguments, away from its session: it goes on when that has ended.
func detach(args ...string) (int, error) {
	c := exec.Command("/proc/self/exe", args...)
	c.Args[0] = program
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return 0, err
	}
	pid := c.Process.Pid
	return pid, c.Process.Release()
}

// listen serves on a port until its unit ends.
func listen(args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	must(err)
	accept(l, "port", os.Stdout)
}

// begin is the act of detaching: "begin ROLE ARGS...".
func begin(args []string) {
	pid, err := detach(args...)
	report(filepath.Join(os.Getenv("HOME"), "seen", "begin"), fmt.Sprint(pid, " ", err))
}
