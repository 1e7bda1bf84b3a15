package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cagePrefix begins the name of every machine's control group.
const cagePrefix = "fleet-machine-"

var machines atomic.Int64

// newID returns a name for a machine that is unique on this host until the next boot, and tells who owns it.
func newID() string {
	return fmt.Sprintf("%s%d-%s-%d", cagePrefix, os.Getpid(), startTime(os.Getpid()), machines.Add(1))
}

// startTime returns when a process began, in clock ticks since boot, or "" where there is no such process. With it, a
// process id names one process only.
func startTime(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	if f := strings.Fields(rest); len(f) > 19 {
		return f[19] // field 22 of proc(5)
	}
	return ""
}

// owned reports whether the process that made the control group lives.
func owned(cage string) bool {
	f := strings.Split(strings.TrimSuffix(strings.TrimPrefix(cage, cagePrefix), ".scope"), "-")
	if len(f) != 3 {
		return true
	}
	pid, err := strconv.Atoi(f[0])
	return err != nil || startTime(pid) == f[1]
}

// cage is a machine's own place in the trees of control groups. Without it, two machines would share the groups of
// their equally named units, and neither would notice when one of them gets empty.
type cage struct {
	scope string   // the name of systemd's scope where it manages this host, else ""
	dirs  []string // of the machine, the one of the second version first
}

// newCage makes the place, and removes those that dead processes left. It must run on the machine's thread, after
// hideRun.
func newCage(id string) (*cage, error) {
	if systemdHost() {
		top, err := mountCgroups("cgroup2", "")
		slice := filepath.Join(top, "system.slice")
		removeStale(slice, false)
		return &cage{scope: id + ".scope", dirs: []string{filepath.Join(slice, id+".scope")}}, err
	}
	parents, err := ownGroups()
	c := &cage{}
	for _, p := range parents {
		removeStale(p, true)
		dir := filepath.Join(p, id)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return c, fmt.Errorf("make a control group: %w", err)
		}
		c.dirs = append(c.dirs, dir)
	}
	return c, err
}

// ownGroups mounts the trees in which systemd-nspawn makes groups, and returns where this process is in them.
func ownGroups() ([]string, error) {
	own, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return nil, err
	}
	var groups []string
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) == 3 && f[1] == "":
			top, err := mountCgroups("cgroup2", "")
			if err != nil {
				return nil, err
			}
			groups = append([]string{filepath.Join(top, f[2])}, groups...)
		case len(f) == 3 && f[1] == "name=systemd": // on a host with the old trees, it keeps this one equal
			top, err := mountCgroups("cgroup", "none,name=systemd")
			if err != nil {
				return nil, err
			}
			groups = append(groups, filepath.Join(top, f[2]))
		}
	}
	return groups, nil
}

// mountCgroups mounts one tree of control groups for our own use, wherever the host has it.
func mountCgroups(fstype, options string) (string, error) {
	at := filepath.Join(base, fstype)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return "", err
	}
	if err := unix.Mount("fleet", at, fstype, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return "", fmt.Errorf("mount %s: %w", fstype, err)
	}
	return at, nil
}

// wrap returns argv as a command that enters the cage and then is argv, in the same process.
func (c *cage) wrap(argv []string) []string {
	if c.scope != "" {
		return append([]string{
			"systemd-run", "--scope", "--quiet", "--collect", "--slice=system.slice",
			"--unit=" + c.scope, "--property=Delegate=yes", "--",
		}, argv...)
	}
	const enter = `until [ "$1" = -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"`
	w := []string{"/bin/sh", "-euc", enter, "sh"}
	for _, d := range c.dirs {
		w = append(w, filepath.Join(d, "cgroup.procs"))
	}
	return append(append(w, "--"), argv...)
}

// kill kills every process in the cage. Where the kernel is older than 5.14, it does nothing.
func (c *cage) kill() { killGroup(c.dirs[0]) }

// remove removes the cage, which must be empty of processes. systemd removes its scope by itself, but may not have got
// round to making it when systemd-run was killed; stopping it makes sure that this is over.
func (c *cage) remove() error {
	if c.scope != "" {
		_ = exec.Command("systemctl", "--quiet", "stop", c.scope).Run()
	}
	var errs []error
	for _, d := range c.dirs {
		errs = append(errs, removeGroups(d, c.scope == ""))
	}
	return errors.Join(errs...)
}

// removeStale kills what may be left of machines whose owner died, and removes their groups where they are ours.
func removeStale(parent string, ours bool) {
	found, _ := filepath.Glob(filepath.Join(parent, cagePrefix+"*"))
	for _, d := range found {
		if !owned(filepath.Base(d)) {
			killGroup(d)
			_ = removeGroups(d, ours)
		}
	}
}

// killGroup has no effect in a tree of the first version, which holds the same processes.
func killGroup(dir string) { _ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0o644) }

// removeGroups removes a control group and all below it, or waits until another has. The kernel takes a moment to
// notice that a group is empty.
func removeGroups(dir string, ours bool) error {
	err := fmt.Errorf("control group %s is still there", dir)
	for range 100 {
		if ours {
			err = rmdirs(dir)
		}
		if _, e := os.Stat(dir); errors.Is(e, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// rmdirs removes a folder and those in it, the deepest first.
func rmdirs(dir string) error {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	var last error
	for _, d := range slices.Backward(dirs) {
		if err := unix.Rmdir(d); err != nil && !errors.Is(err, unix.ENOENT) {
			last = fmt.Errorf("remove control group %s: %w", d, err)
		}
	}
	return last
}
