// Package preflight finds everything that would keep a host from running a generation, before anything is changed. It
// only reads.
package preflight

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Room that must be free. The reload of systemd needs 16 MiB in /run, see systemd's manager_check_reload_ratelimit and
// RELOAD_DISK_SPACE_MIN in its source.
const (
	runRoom   = 16 << 20
	spareRoom = 4 << 20 // beside the generation itself
	spareNode = 64
)

// Question is what a switch is about to do.
type Question struct {
	Root     string               // prefix of the host's tree, "" for the real one
	Manifest *manifest.Manifest   // of the generation to come
	Live     map[string]bool      // names of the units of the live generation
	Others   []*manifest.Manifest // of what is live of the host's other projects
	PID1     string               // name of the process with PID 1
	Systemd  int                  // major version, 0 where unknown
	EUID     int
	Program  uint64 // size of the running program, of which the project gets a copy
	Owner    uint32 // who must own programs: root, but in a test
}

// Check returns all that is in the way.
func Check(q Question) report.Report {
	var r report.Report
	manager(q, &r)
	target(q, &r)
	folders(q, &r)
	room(q, &r)
	programs(q, &r)
	harnesses(q, &r)
	names(q, &r)
	cgroups(q, &r)
	ports(q, &r)
	return r
}

// oldest is the first systemd that has all directives that the units use.
const oldest = 250

func manager(q Question, r *report.Report) {
	if q.EUID != 0 {
		r.ErrorHint("user", "only root can switch a host", "run it with sudo")
	}
	if q.PID1 != "systemd" {
		r.ErrorHint("pid 1", fmt.Sprintf("must be systemd, not %q", q.PID1),
			"to try a fleet on this host run `fleet try`, which boots a throwaway machine")
		return
	}
	if q.Systemd != 0 && q.Systemd < oldest {
		r.ErrorHint("systemd", fmt.Sprintf("must be %d or newer, not %d", oldest, q.Systemd),
			"update the host, or try the fleet with `fleet try`")
	}
}

func target(q Question, r *report.Report) {
	if here := runtime.GOOS + "/" + runtime.GOARCH; q.Manifest.Target != here {
		r.ErrorHint("generation", fmt.Sprintf("is built for %s and this host is %s", q.Manifest.Target, here),
			"build it with --target "+here)
	}
}

func folders(q Question, r *report.Report) {
	if err := unix.Access(q.Root+"/etc", unix.W_OK); err != nil {
		r.ErrorHint("/etc", "must be writable: "+err.Error(), "remount it read-write")
	}
	root, etc := device(q.Root+"/"), device(q.Root+"/etc")
	if root != etc {
		r.ErrorHint("/etc", "must lie on the root file system, since systemd runs generators before it mounts others",
			"a host with a separate /etc cannot boot a fleet")
	}
	r.Merge("", Store(q.Root, 0))
}

// Store reports a store from which nothing can be executed, and one with no room for that many bytes. A switch is itself
// run from there, so that this is looked at before one is begun, too.
func Store(root string, size uint64) report.Report {
	var r report.Report
	var st unix.Statfs_t
	store := nearest(root + manifest.StoreDir)
	if err := unix.Statfs(store, &st); err == nil && st.Flags&unix.ST_NOEXEC != 0 {
		r.ErrorHint(manifest.StoreDir, "is on a file system that is mounted noexec; scripts run from there",
			"remount "+store+" with exec")
	}
	if size > 0 {
		enough(root, manifest.StoreDir, size+spareRoom, spareNode, &r)
	}
	return r
}

func device(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Dev
}

// nearest returns the deepest folder of path that exists.
func nearest(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

func room(q Question, r *report.Report) {
	var size uint64
	for _, f := range q.Manifest.Files {
		size += (uint64(f.Size) + 4095) &^ 4095 //nolint:gosec // sizes are checked not to be negative
	}
	nodes := uint64(len(q.Manifest.Files))
	enough(q.Root, "/etc/fleet", size+spareRoom, nodes+spareNode, r)
	enough(q.Root, manifest.StoreDir, size+q.Program+spareRoom, nodes+spareNode, r)
	enough(q.Root, "/run", runRoom, spareNode, r)
}

// enough reports a folder, there already or not, whose file system has less room than that.
func enough(root, path string, size, nodes uint64, r *report.Report) {
	var st unix.Statfs_t
	if err := unix.Statfs(nearest(root+path), &st); err != nil {
		r.Errorf(path, "cannot be looked at: %v", err)
		return
	}
	free := st.Bavail * uint64(st.Bsize) //nolint:gosec // a block size is not negative
	if free < size {
		r.ErrorHint(path, fmt.Sprintf("has %d KiB free and the switch needs %d KiB", free>>10, size>>10),
			"free some space, or run `fleet gc`")
	}
	if st.Files > 0 && st.Ffree < nodes {
		r.ErrorHint(path, fmt.Sprintf("has %d inodes free and the switch needs %d", st.Ffree, nodes),
			"remove files, or run `fleet gc`")
	}
}

// cgroups: the firewall of isolation user matches the unit's cgroup besides the UID, since some sockets pass a rule
// about the UID alone.
func cgroups(q Question, r *report.Report) {
	var st unix.Statfs_t
	if err := unix.Statfs(q.Root+"/sys/fs/cgroup", &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		return
	}
	for _, a := range q.Manifest.Agents {
		if a.Enabled && a.Isolation == "user" {
			r.ErrorHint("agents."+a.Key+".isolation", `"user" needs the unified cgroup hierarchy (cgroup v2) on the host`,
				`boot with systemd.unified_cgroup_hierarchy=1, or use isolation "namespace"`)
		}
	}
}

// names refuses units that would hide one of the host's own, or be hidden by it.
func names(q Question, r *report.Report) {
	for _, u := range q.Manifest.Units {
		if q.Live[u.Name] {
			continue // a file of the same name is then an administrator's override, which is respected
		}
		for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
			path := filepath.Join(dir, u.Name)
			if _, err := os.Lstat(q.Root + path); err == nil {
				r.ErrorHint("units."+u.Name, path+" is a unit of the host's with the same name",
					"rename the project or the agent, or remove that file")
				break
			}
		}
	}
}

// exists reports whether path is there, following links.
func exists(path string) (fs.FileInfo, bool) {
	info, err := os.Stat(path)
	return info, err == nil
}
