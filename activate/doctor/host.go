package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

const (
	// minSystemd has all directives that the units use, ConditionPathExists in generators' units included.
	minSystemd = 250
	// minRoom holds some generations of a fleet of hundred agents.
	minRoom   = 64 << 20
	minInodes = 4096
	// minRun is what systemd wants free in /run for a daemon-reload, 16 MiB, and as much again.
	minRun = 32 << 20
	// minMemory is for the machine's services, its files and the demo agents.
	minMemory = 512 << 20
)

func privileges(_ context.Context, e Env) []Finding {
	if e.EUID == 0 {
		return nil
	}
	return []Finding{{
		Check: "root", Severity: report.Warning,
		Message: "not all checks can be made without root", Hint: "sudo fleet doctor",
	}}
}

func pid1(_ context.Context, e Env) []Finding {
	name, err := e.Read("/proc/1/comm")
	if name = strings.TrimSpace(name); err == nil && name == "systemd" {
		return nil
	}
	return []Finding{{
		Check:   "pid1",
		Message: fmt.Sprintf("systemd must be PID 1; here it is %q", name),
		Hint:    "run `fleet try`, which boots a throwaway machine with systemd on this host",
	}}
}

var versionForm = regexp.MustCompile(`^systemd (\d+)`)

func systemdVersion(ctx context.Context, e Env) []Finding {
	if _, ok := e.Look("systemctl"); !ok {
		return nil // said by programs
	}
	f := Finding{Check: "systemd.version", Hint: fmt.Sprintf("upgrade to a release with systemd %d or newer", minSystemd)}
	out, err := e.Output(ctx, "systemctl", "--version")
	m := versionForm.FindStringSubmatch(out)
	if err != nil || m == nil {
		f.Message = fmt.Sprintf("systemd's version cannot be told: %v", err)
		return []Finding{f}
	}
	if n, _ := strconv.Atoi(m[1]); n < minSystemd {
		f.Message = fmt.Sprintf("systemd must be version %d or newer; here it is %s", minSystemd, m[1])
		return []Finding{f}
	}
	return nil
}

// cgroups only warns, since isolation "namespace" works without.
func cgroups(_ context.Context, e Env) []Finding {
	const hint = "boot with systemd.unified_cgroup_hierarchy=1 and without cgroup_disable="
	have, err := e.Read("/sys/fs/cgroup/cgroup.controllers")
	if err != nil {
		return []Finding{{
			Check: "cgroup2", Severity: report.Warning, Hint: hint,
			Message: `the unified cgroup hierarchy (cgroup v2) must be mounted for isolation "user" and for limits`,
		}}
	}
	var found []Finding
	for _, c := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(strings.Fields(have), c) {
			found = append(found, Finding{
				Check: "cgroup2." + c, Severity: report.Warning, Hint: hint,
				Message: fmt.Sprintf("the cgroup controller %s must be there for limits to hold", c),
			})
		}
	}
	return found
}

// nftProbe uses what the firewall of a fleet uses.
const nftProbe = `table inet fleet_doctor {
	map m { type uid : verdict; }
	set s { type cgroupsv2; }
	chain c { type filter hook output priority 0; meta skuid vmap @m; socket cgroupv2 level 1 @s reject; }
}`

func nftables(ctx context.Context, e Env) []Finding {
	if _, ok := e.Look("nft"); !ok || e.EUID != 0 {
		return nil // said by programs and privileges
	}
	_, err := e.Output(ctx, "nft", "--check", nftProbe)
	if err == nil {
		return nil
	}
	return []Finding{{
		Check: "nftables", Message: fmt.Sprintf("the kernel must have nftables with uid and cgroup matches: %v", err),
		Hint: "load nf_tables with modprobe, or boot a kernel that has CONFIG_NF_TABLES_INET and CONFIG_NFT_SOCKET",
	}}
}

func oneFileSystem(_ context.Context, e Env) []Finding {
	root, err := e.FS("/")
	etc, err2 := e.FS("/etc")
	if err := errors.Join(err, err2); err != nil {
		return []Finding{{Check: "etc", Message: err.Error()}}
	}
	if root.Device == etc.Device {
		return nil
	}
	return []Finding{{
		Check:   "etc",
		Message: "/etc must lie on the root file system, since systemd runs generators before it mounts others",
		Hint:    "move /etc to the root file system",
	}}
}

// generatorDirs are where the generator that gives systemd the units is installed, in the order of trying.
var generatorDirs = []string{"/usr/local/lib/systemd/system-generators", "/etc/systemd/system-generators"}

func generatorFolder(_ context.Context, e Env) []Finding {
	var why []string
	for _, d := range generatorDirs {
		f, err := e.FS(d)
		switch {
		case err != nil:
			why = append(why, err.Error())
		case f.NoExec:
			why = append(why, d+" is mounted noexec")
		default:
			return nil
		}
	}
	return []Finding{{
		Check: "generator", Message: "systemd must be able to run a generator: " + strings.Join(why, "; "),
		Hint: "remount one of these folders with exec",
	}}
}

func storeFolder(_ context.Context, e Env) []Finding {
	f, err := e.FS(manifest.StoreDir)
	if err == nil && !f.NoExec {
		return nil
	}
	message := manifest.StoreDir + ", from where scripts run, must not be on a file system that is mounted noexec"
	if err != nil {
		message = err.Error()
	}
	return []Finding{{Check: "store", Message: message, Hint: "remount it with exec"}}
}

func freeSpace(_ context.Context, e Env) []Finding {
	var found []Finding
	for _, n := range []struct {
		path          string
		bytes, inodes uint64
	}{{"/etc/fleet", minRoom, minInodes}, {manifest.StoreDir, minRoom, minInodes}, {"/run", minRun, minInodes}} {
		f, err := e.FS(n.path)
		switch {
		case err != nil:
			found = append(found, Finding{Check: "space" + n.path, Message: err.Error()})
		case f.FreeBytes < n.bytes || f.FreeInodes < n.inodes:
			found = append(found, Finding{
				Check: "space" + n.path, Hint: "free some space, or run `fleet gc`",
				Message: fmt.Sprintf("%s must have %d MiB and %d inodes free; there are %d MiB and %d",
					n.path, n.bytes>>20, n.inodes, f.FreeBytes>>20, f.FreeInodes),
			})
		}
	}
	return found
}

// mountPrivilege: root in a container often may not mount.
func mountPrivilege(_ context.Context, e Env) []Finding {
	const capSysAdmin = 21
	status, err := e.Read("/proc/self/status")
	_, rest, ok := strings.Cut(status, "\nCapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	caps, perr := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if e.EUID != 0 || err != nil || !ok || perr != nil || caps&(1<<capSysAdmin) != 0 {
		return nil
	}
	return []Finding{{
		Check: "mount", Message: "root must have the capability CAP_SYS_ADMIN, to mount the machine's file system",
		Hint: "start this container as a privileged one",
	}}
}

func overlay(ctx context.Context, e Env) []Finding {
	known, err := e.Read("/proc/filesystems")
	if err == nil && slices.Contains(strings.Fields(known), "overlay") {
		return nil
	}
	if _, err := e.Output(ctx, "modprobe", "--dry-run", "overlay"); err == nil {
		return nil // mount(2) loads it
	}
	return []Finding{{
		Check: "overlay", Message: "the kernel must have the overlay file system",
		Hint: "boot a kernel that has CONFIG_OVERLAY_FS",
	}}
}

func memory(_ context.Context, e Env) []Finding {
	info, err := e.Read("/proc/meminfo")
	_, rest, ok := strings.Cut(info, "\nMemAvailable:")
	if errors.Is(err, fs.ErrNotExist) || !ok {
		return nil
	}
	kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
	if err != nil || kib<<10 >= minMemory {
		return nil
	}
	return []Finding{{
		Check: "memory", Severity: report.Warning,
		Message: fmt.Sprintf("the machine's files are in memory and should have %d MiB; %d MiB are free", minMemory>>20, kib>>10),
	}}
}
