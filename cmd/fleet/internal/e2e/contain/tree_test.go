//go:build machine

package contain

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// given are the folders of an agent's root whose content is the host's programs, the kernel's, or the agent's own.
var given = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/dev/pts", "/etc/alternatives", "/etc/ld.so.conf.d",
	"/etc/ssl/certs", "/etc/terminfo", "/etc/pki/ca-trust", "/etc/pki/tls/certs", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue",
}

// tree tells of every path of its root.
func tree([]string) {
	own := []string{os.Getenv("HOME"), "/run/fleet/demo/" + os.Getenv("FLEET_AGENT") + "/own", "/var/lib/fleet/demo/records/" + os.Getenv("FLEET_AGENT")}
	var out []string
	err := filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		kind := "file"
		switch {
		case d == nil:
			return err
		case d.IsDir():
			kind = "folder"
		case d.Type()&fs.ModeSymlink != 0:
			kind = "link"
		case d.Type()&fs.ModeDevice != 0:
			kind = "device"
		}
		out = append(out, kind+" "+path)
		if err != nil || slices.Contains(given, path) || slices.Contains(own, path) {
			return fs.SkipDir
		}
		return nil
	})
	must(err)
	report(filepath.Join(os.Getenv("HOME"), "seen", "tree"), out)
}

// planned returns whether a path of an agent's root is what its unit says: a target of a mount, a folder above one, or
// what systemd adds.
func planned(line string, targets []string) bool {
	kind, path, _ := strings.Cut(line, " ")
	devices := []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "hugepages", "fd", "stdin", "stdout", "stderr", "core", "log", "initctl", "char"}
	switch dir, name := filepath.Split(path); {
	case dir == "/dev/":
		return slices.Contains(devices, name)
	case dir == "/dev/char/", path == "/root", path == "/run/systemd", path == "/run/systemd/incoming":
		return true // systemd's own: links to the devices, and two empty folders
	}
	if slices.Contains(targets, path) || slices.Contains(given, path) {
		return true
	}
	return kind == "folder" && slices.ContainsFunc(append(targets, given...), func(t string) bool {
		return path == "/" || strings.HasPrefix(t, path+"/")
	})
}

// targets returns where a unit mounts something, and the folder that it hides.
func targets(unit string) []string {
	out := []string{"/dev", "/sys"}
	for line := range strings.Lines(unit) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem":
			value = strings.TrimPrefix(value, "-")
			source, target, both := strings.Cut(value, ":")
			if key == "TemporaryFileSystem" || !both {
				target = source
			}
			out = append(out, target)
		}
	}
	return out
}
