//go:build machine

package contain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bad is a pointer that the kernel cannot read.
const bad = 8

// ring tries to have the kernel do system calls for it, past the filter.
func ring(string) []attempt {
	return []attempt{
		{"set up a ring", "nobody", func() error {
			var params [120]byte
			fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
			if errno != 0 {
				return errno
			}
			return unix.Close(int(fd))
		}},
		{"enter a ring", "nobody", raw(unix.SYS_IO_URING_ENTER, ^uintptr(0), 1)},
		{"register with a ring", "nobody", raw(unix.SYS_IO_URING_REGISTER, ^uintptr(0), 1)},
		{"asynchronous I/O", "nobody", raw(unix.SYS_IO_SETUP, 1, bad)},
	}
}

// rights tries calls that change what all processes share, or reach into others. Their arguments cannot work, so that
// somebody free may try them as well: the kernel, where it is reached, says that it cannot read them.
func rights(string) []attempt {
	var out []attempt
	for _, c := range []struct {
		name, free string
		number     uintptr
		args       []uintptr
	}{
		{"mount", "root", unix.SYS_MOUNT, []uintptr{0, bad, 0, 0, 0}},
		{"umount", "root", unix.SYS_UMOUNT2, []uintptr{bad, 0}},
		{"pivot_root", "root", unix.SYS_PIVOT_ROOT, []uintptr{bad, bad}},
		{"chroot", "root", unix.SYS_CHROOT, []uintptr{bad}},
		{"fsopen", "root", unix.SYS_FSOPEN, []uintptr{bad, 0}},
		{"open_tree", "nobody", unix.SYS_OPEN_TREE, []uintptr{^uintptr(0), bad, 0}},
		{"move_mount", "root", unix.SYS_MOVE_MOUNT, []uintptr{^uintptr(0), bad, ^uintptr(0), bad, 0}},
		{"mount_setattr", "nobody", unix.SYS_MOUNT_SETATTR, []uintptr{^uintptr(0), bad, 0, bad, 0}},
		{"setns", "nobody", unix.SYS_SETNS, []uintptr{^uintptr(0), 0}},
		{"ptrace", "nobody", unix.SYS_PTRACE, []uintptr{unix.PTRACE_ATTACH, 1 << 30}},
		{"process_vm_readv", "nobody", unix.SYS_PROCESS_VM_READV, []uintptr{1 << 30, bad, 1, bad, 1, 0}},
		{"process_vm_writev", "nobody", unix.SYS_PROCESS_VM_WRITEV, []uintptr{1 << 30, bad, 1, bad, 1, 0}},
		{"pidfd_getfd", "nobody", unix.SYS_PIDFD_GETFD, []uintptr{^uintptr(0), 0, 0}},
		{"init_module", "root", unix.SYS_INIT_MODULE, []uintptr{bad, 0, bad}},
		{"finit_module", "root", unix.SYS_FINIT_MODULE, []uintptr{^uintptr(0), bad, 0}},
		{"delete_module", "root", unix.SYS_DELETE_MODULE, []uintptr{bad, 0}},
		{"kexec_load", "", unix.SYS_KEXEC_LOAD, []uintptr{0, 1 << 20, bad, 1 << 30}},
		{"reboot", "", unix.SYS_REBOOT, []uintptr{0, 0, 0, 0}},
		{"swapon", "root", unix.SYS_SWAPON, []uintptr{bad, 0}},
		{"acct", "root", unix.SYS_ACCT, []uintptr{bad}},
		{"quotactl", "nobody", unix.SYS_QUOTACTL, []uintptr{0, bad, 0, 0}},
		{"settimeofday", "nobody", unix.SYS_SETTIMEOFDAY, []uintptr{bad, 0}},
		{"clock_settime", "nobody", unix.SYS_CLOCK_SETTIME, []uintptr{0, bad}},
		{"adjtimex", "nobody", unix.SYS_ADJTIMEX, []uintptr{bad}},
		{"sethostname", "root", unix.SYS_SETHOSTNAME, []uintptr{bad, 1}},
		{"setdomainname", "root", unix.SYS_SETDOMAINNAME, []uintptr{bad, 1}},
		{"iopl", "root", unix.SYS_IOPL, []uintptr{99}},
		{"ioperm", "nobody", unix.SYS_IOPERM, []uintptr{^uintptr(0), 1, 1}},
		{"syslog", "root", unix.SYS_SYSLOG, []uintptr{99, 0, 0}},
		{"bpf", "nobody", unix.SYS_BPF, []uintptr{999, bad, 8}},
		{"perf_event_open", "nobody", unix.SYS_PERF_EVENT_OPEN, []uintptr{bad, 0, 0, 0, 0}},
		{"userfaultfd", "root", unix.SYS_USERFAULTFD, []uintptr{1 << 20}},
		{"add_key", "nobody", unix.SYS_ADD_KEY, []uintptr{bad, bad, 0, 0, 0}},
		{"request_key", "nobody", unix.SYS_REQUEST_KEY, []uintptr{bad, bad, 0, 0}},
		{"keyctl", "nobody", unix.SYS_KEYCTL, []uintptr{unix.KEYCTL_GET_KEYRING_ID, 0, 0}},
		{"fanotify_init", "root", unix.SYS_FANOTIFY_INIT, []uintptr{1 << 30, 0}},
		{"open_by_handle_at", "root", unix.SYS_OPEN_BY_HANDLE_AT, []uintptr{^uintptr(0), bad, 0}},
		{"vhangup", "", unix.SYS_VHANGUP, nil},
		{"personality", "nobody", unix.SYS_PERSONALITY, []uintptr{0x0400000}}, // ADDR_NO_RANDOMIZE, for itself
		{"setuid 0", "root", unix.SYS_SETUID, []uintptr{0}},
		{"setgid 0", "root", unix.SYS_SETGID, []uintptr{0}},
		{"setgroups", "root", unix.SYS_SETGROUPS, []uintptr{1, bad}},
	} {
		out = append(out, attempt{c.name, c.free, raw(c.number, c.args...)})
	}
	for name, flag := range map[string]uintptr{
		"user": unix.CLONE_NEWUSER, "network": unix.CLONE_NEWNET, "mount": unix.CLONE_NEWNS, "IPC": unix.CLONE_NEWIPC,
		"process": unix.CLONE_NEWPID, "host name": unix.CLONE_NEWUTS, "control group": unix.CLONE_NEWCGROUP, "time": unix.CLONE_NEWTIME,
	} {
		// Every call of unshare has an invalid flag beside the one that it is about, which the kernel refuses with EINVAL.
		out = append(out, attempt{"new " + name + " namespace", "nobody", raw(unix.SYS_UNSHARE, flag|1)},
			attempt{"child in a new " + name + " namespace", "root", clone(flag)})
	}
	return append(append(out, limits()...), files()...)
}

func clone(flag uintptr) func() error {
	return func() error {
		c := exec.Command("true")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flag}
		return c.Run()
	}
}

// limits tries to have more than the unit gives.
func limits() []attempt {
	return []attempt{
		{"more open files", "", raise(unix.RLIMIT_NOFILE)},
		{"core files", "", raise(unix.RLIMIT_CORE)},
		{"a capability", "", capability},
		{"a higher priority", "root", func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -5) }},
		{"real-time priority", "root", func() error {
			param := struct{ priority int32 }{1}
			return raw(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_RR, uintptr(unsafe.Pointer(&param)))()
		}},
		{"be spared when memory ends", "", func() error { return os.WriteFile("/proc/self/oom_score_adj", []byte("-500"), 0) }},
		{"lock much memory", "", func() error { return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 1 << 40, Max: 1 << 40}) }},
	}
}

// capability tries to have CAP_NET_ADMIN.
func capability() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	bit := uint32(1 << unix.CAP_NET_ADMIN)
	data := [2]unix.CapUserData{{Effective: bit, Permitted: bit, Inheritable: bit}}
	return unix.Capset(&header, &data[0])
}

func raise(resource int) func() error {
	return func() error {
		var l unix.Rlimit
		if err := unix.Getrlimit(resource, &l); err != nil {
			return err
		}
		l.Max++
		l.Cur = l.Max
		return unix.Setrlimit(resource, &l)
	}
}

// files tries to change the kernel by files, and to make files that give rights.
func files() []attempt {
	var out []attempt
	for _, path := range []string{
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/proc/self/uid_map", "/proc/self/gid_map", "/sys/fs/cgroup/cgroup.procs",
		"/sys/kernel/uevent_helper",
	} {
		out = append(out, attempt{"write " + path, "", func() error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			if path == "/proc/self/uid_map" || path == "/proc/self/gid_map" { // these are opened and refused in the write
				_, err = f.WriteString("0 0 1")
			}
			return err
		}})
	}
	return append(out,
		attempt{"a setuid file", "nobody", setuidFile},
		attempt{"a device", "", func() error { return node(unix.S_IFCHR | 0o666) }},
		attempt{"a block device", "", func() error { return node(unix.S_IFBLK | 0o666) }},
		attempt{"a file of root's", "root", func() error { return owned(0) }},
		attempt{"a file capability", "root", fileCapability},
		attempt{"type into its terminal", "", func() error { return opened("/dev/tty", os.O_RDWR) }})
}

func temporary(use func(path string) error) error {
	f, err := os.CreateTemp("/tmp", "contain-")
	if err != nil {
		return fmt.Errorf("no file to try it with: %w", err)
	}
	defer os.Remove(f.Name())
	return errors.Join(f.Close(), use(f.Name()))
}

func setuidFile() error {
	return temporary(func(path string) error { return unix.Chmod(path, 0o4755) })
}

func node(mode uint32) error {
	const path = "/tmp/contain-node"
	defer os.Remove(path)
	return unix.Mknod(path, mode, int(unix.Mkdev(1, 3)))
}

func owned(uid int) error {
	return temporary(func(path string) error { return os.Chown(path, uid, uid) })
}

// fileCapability writes a capability in the form of vfs_cap_data, revision 2.
func fileCapability() error {
	value := make([]byte, 20)
	value[3], value[5] = 2, 0x20
	return temporary(func(path string) error { return unix.Setxattr(path, "security.capability", value, 0) })
}
