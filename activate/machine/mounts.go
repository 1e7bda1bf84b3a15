package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// base is where the machine's mounts are, in its own namespace only: there, a tmpfs covers the host's /run, so that
// what systemd-nspawn leaves below /run/systemd goes with the machine.
const base = "/run/fleet-machine"

// systemdHost reports whether systemd is this host's PID 1, as sd_booted(3) does.
func systemdHost() bool {
	fi, err := os.Lstat("/run/systemd/system")
	return err == nil && fi.IsDir()
}

// hideRun covers /run. On a host with systemd, its socket and the sign that it runs are carried over for systemd-run.
func hideRun(size string) error {
	const socket = "/run/systemd/private"
	booted, fd := systemdHost(), -1
	if booted {
		var err error
		if fd, err = unix.Open(socket, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open %s: %w", socket, err)
		}
		defer unix.Close(fd)
	}
	if err := mountTmpfs("/run", 0, size, 0); err != nil {
		return err
	}
	if err := os.MkdirAll(base, 0o755); err != nil || !booted {
		return err
	}
	if err := os.MkdirAll("/run/systemd/system", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/thread-self/fd/%d", fd), socket, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", socket, err)
	}
	return nil
}

func mountTmpfs(at string, flags uintptr, size string, inodes int) error {
	o := []string{"mode=0755"}
	if size != "" {
		o = append(o, "size="+size)
	}
	if inodes > 0 {
		o = append(o, "nr_inodes="+strconv.Itoa(inodes))
	}
	if err := unix.Mount("fleet", at, "tmpfs", flags, strings.Join(o, ",")); err != nil {
		return fmt.Errorf("mount a tmpfs with %s on %s: %w", strings.Join(o, ","), at, err)
	}
	return nil
}

// mountOverlay mounts upper over lower. Where the file system below cannot be a lower layer, the error wraps EINVAL or
// another number.
func mountOverlay(at, lower, upper, work string, flags uintptr) error {
	esc := strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`)
	o := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", esc.Replace(lower), upper, work)
	err := unix.Mount("fleet", at, "overlay", flags, o)
	if errors.Is(err, unix.ENODEV) {
		return errors.New("this kernel has no overlay file system; load it with modprobe overlay")
	}
	if err != nil {
		return fmt.Errorf("mount an overlay over %s: %w", lower, err)
	}
	return nil
}

// bindReadOnly shows what is at src at dst.
func bindReadOnly(src, dst string) error {
	if err := unix.Mount(src, dst, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", src, err)
	}
	if err := unix.Mount("", dst, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the bind of %s read-only: %w", src, err)
	}
	return nil
}

// hostMount is a mount below "/" that a machine needs to see the host's whole tree.
type hostMount struct {
	at       string
	dir      bool
	size     int64 // of a file
	readOnly bool
}

// kernelTypes are no part of the tree that a system is installed in.
var kernelTypes = []string{
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
	"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs",
	"tracefs",
}

// ownDirs are the machine's own, or masked in it. Containers have their trees below the last two.
var ownDirs = []string{
	"/dev", "/proc", "/run", "/sys", "/tmp", "/etc/fleet", "/var/lib/fleet", "/home", "/root",
	"/var/lib/containers", "/var/lib/docker",
}

// hostMounts returns the mounts below "/", parents first, or nothing for another root.
func hostMounts(root string) ([]hostMount, error) {
	if filepath.Clean(root) != "/" {
		return nil, nil
	}
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []hostMount
	for _, m := range parseMounts(string(text)) {
		if m.stat() {
			found = append(found, m)
		}
	}
	return found, nil
}

// stat finds out what kind of thing is mounted, and reports whether a machine can have it.
func (m *hostMount) stat() bool {
	fi, err := os.Stat(m.at)
	if err != nil {
		return false // covered by a later mount
	}
	m.dir, m.size = fi.IsDir(), fi.Size()
	return m.dir || fi.Mode().IsRegular()
}

// parseMounts reads proc_pid_mountinfo(5). Of several mounts at one place, the last one counts.
func parseMounts(text string) []hostMount {
	byPlace := map[string]hostMount{}
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(h) < 6 || len(t) < 1 {
			continue
		}
		at := unescape(h[4])
		if at == "/" || within(at, ownDirs) || slices.Contains(kernelTypes, t[0]) ||
			strings.HasPrefix(t[0], "fuse.") {
			delete(byPlace, at)
			continue
		}
		byPlace[at] = hostMount{at: at, readOnly: slices.Contains(strings.Split(h[5], ","), "ro")}
	}
	found := make([]hostMount, 0, len(byPlace))
	for _, m := range byPlace {
		found = append(found, m)
	}
	slices.SortFunc(found, func(a, b hostMount) int { return strings.Compare(a.at, b.at) })
	return found
}

// within reports whether path is one of dirs or below one.
func within(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return path == d || strings.HasPrefix(path, d+"/") })
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	for _, c := range []string{" ", "\t", "\n", `\`} {
		s = strings.ReplaceAll(s, fmt.Sprintf(`\%03o`, c[0]), c)
	}
	return s
}

// resolve returns path with every link in it followed as the system in root would, relative to root. The path need not
// exist.
func resolve(root, path string) (string, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", root, err)
	}
	defer unix.Close(dir)
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(dir, path, how)
	if errors.Is(err, fs.ErrNotExist) && filepath.Clean(path) != "/" {
		parent, err := resolve(root, filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	if err != nil {
		return "", fmt.Errorf("resolve %s in %s: %w", path, root, err)
	}
	defer unix.Close(fd)
	return relativeTo(dir, fd)
}

// relativeTo returns the path of fd below that of dir, beginning with a slash.
func relativeTo(dir, fd int) (string, error) {
	top, err := os.Readlink(fmt.Sprintf("/proc/thread-self/fd/%d", dir))
	if err != nil {
		return "", err
	}
	full, err := os.Readlink(fmt.Sprintf("/proc/thread-self/fd/%d", fd))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(top, full)
	return filepath.Join("/", rel), err
}
