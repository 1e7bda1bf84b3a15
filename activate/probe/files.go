package probe

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// sockets are services of the host through which a process could leave its unit or speak for another.
func sockets() []attempt {
	var out []attempt
	for _, s := range []struct{ name, path string }{
		{"D-Bus system bus", "/run/dbus/system_bus_socket"},
		{"systemd's private socket", "/run/systemd/private"},
		{"systemd's notify socket", "/run/systemd/notify"},
		{"journal's socket", "/run/systemd/journal/socket"},
		{"syslog's socket", "/run/systemd/journal/dev-log"},
		{"resolved", "/run/systemd/resolve/io.systemd.Resolve"},
		{"user database", "/run/systemd/userdb/io.systemd.DynamicUser"},
		{"name service cache", "/run/nscd/socket"},
		{"Docker", "/run/docker.sock"},
		{"containerd", "/run/containerd/containerd.sock"},
		{"Podman", "/run/podman/podman.sock"},
	} {
		out = append(out, attempt{s.name, connect(s.path)})
	}
	return out
}

func connect(path string) func() error {
	return func() error {
		var errs []error
		for _, network := range []string{"unix", "unixgram", "unixpacket"} {
			c, err := net.DialTimeout(network, path, replyTime)
			if err == nil {
				return c.Close()
			}
			errs = append(errs, err)
		}
		return errs[0]
	}
}

func files(o Options) []attempt {
	out := []attempt{
		{"read /etc/shadow", read("/etc/shadow")},
		{"read /etc/sudoers", read("/etc/sudoers")},
		{"list /root", listDir("/root")},
		{"write to the store", write("/var/lib/fleet/store")},
		{"write to /usr", write("/usr")},
		{"write to /etc", write("/etc")},
		{"write to /", write("/")},
		{"read kernel memory", read("/dev/mem")},
		{"write a kernel setting", openWrite("/proc/sys/kernel/hostname")},
		{"see a process of another user", foreignProcess},
	}
	for _, dir := range o.Hidden {
		out = append(out, attempt{"list " + dir, listDir(dir)})
	}
	for _, user := range o.Others {
		out = append(out, attempt{"list the home of " + user, listDir("/home/" + user)})
	}
	return out
}

func read(path string) func() error {
	return func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	}
}

func openWrite(path string) func() error {
	return func() error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return f.Close()
	}
}

func listDir(path string) func() error {
	return func() error {
		_, err := os.ReadDir(path)
		return err
	}
}

func write(dir string) func() error {
	return func() error {
		f, err := os.CreateTemp(dir, ".fleet-probe-")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
}

// foreignProcess looks for a process in /proc that belongs to somebody else. The probe's own counts as root's there, since
// its program cannot be read.
func foreignProcess() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err != nil || pid == os.Getpid() {
			continue
		}
		info, err := os.Stat(filepath.Join("/proc", e.Name()))
		if err != nil {
			continue // it ended, or it is hidden
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Getuid() {
			return nil
		}
	}
	return fmt.Errorf("only processes of uid %d", os.Getuid())
}
