//go:build machine

package unit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// insideEnv makes the test's own program play a part inside the machine: "hostile" or "dump".
const insideEnv = "FLEET_UNIT_INSIDE"

func TestMain(m *testing.M) {
	switch os.Getenv(insideEnv) {
	case "hostile":
		hostile()
	case "dump":
		dump()
	case "terminal":
		terminal()
	case "serve":
		serve()
	default:
		os.Exit(m.Run())
	}
}

// seen is what the hostile agent found out.
type seen struct {
	Attempts map[string]string // "" where it succeeded, else why not
	Works    map[string]string // output, or "error: ..." of what an agent needs
}

// hostile does as an agent what must not be possible, and what must.
func hostile() {
	s := seen{Attempts: map[string]string{}, Works: map[string]string{}}
	for name, try := range attempts() {
		s.Attempts[name] = message(try())
	}
	for name, argv := range needs() {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		s.Works[name] = strings.TrimSpace(string(out))
		if err != nil {
			s.Works[name] = "error: " + err.Error() + ": " + s.Works[name]
		}
	}
	s.Works["env"] = strings.Join(os.Environ(), "\n")
	s.Works["loopback"] = "ok" + message(loopback())
	for _, dir := range []string{os.Getenv("HOME"), "/tmp", "/var/tmp", "/dev/shm"} {
		s.Works["write "+dir] = "ok" + message(os.WriteFile(dir+"/fleet-mark", nil, 0o600))
	}
	data, _ := json.Marshal(s)
	_ = os.WriteFile(os.Getenv("HOME")+"/seen.new", data, 0o600)
	_ = os.Rename(os.Getenv("HOME")+"/seen.new", os.Getenv("HOME")+"/seen.json")
	time.Sleep(time.Hour)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func needs() map[string][]string {
	git := "cd && d=$(mktemp -d) && git init -q $d && cd $d && echo a >a && git add a && git commit -q -m m"
	allow := "[ ! -e /etc/fleet/sign.pub ] || echo \"atlas@example.org $(cat /etc/fleet/sign.pub)\" >~/allowed; "
	return map[string][]string{
		"node":   {"node", "-e", "console.log(os.cpus().length > 0, Object.keys(os.networkInterfaces()).length > 0)"},
		"git":    {"sh", "-c", allow + git + " && git log --format='%an <%ae>'"},
		"verify": {"sh", "-c", allow + git + " && git log -1 --format=%G?"},
		"tmux": {
			"sh", "-c",
			"tmux -S $FLEET_OWN/tmux new-session -d 'while read l; do echo \"echo: $l\"; done' && tmux -S $FLEET_OWN/tmux ls",
		},
		"id":        {"id"},
		"sudo":      {"sudo", "-n", "/usr/bin/id", "-u"},
		"sudo bad":  {"sudo", "-n", "/usr/bin/id"},
		"root":      {"ls", "-A", "/"},
		"etc":       {"ls", "-A", "/etc"},
		"key":       {"sh", "-c", "ls -la /var/lib/fleet/demo /var/lib/fleet/demo/keys; cat /var/lib/fleet/demo/keys/*/sign"},
		"managed":   {"cat", "/etc/claude-code/CLAUDE.md", "/etc/fleet/instructions.md"},
		"certs":     {"sh", "-c", "ls /etc/ssl/certs | wc -l"},
		"localtime": {"date", "+%Z"},
		"processes": {"sh", "-c", "stat -c %u /proc/[0-9]* | sort -u"},
	}
}

func loopback() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp4", l.Addr().String(), time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

func attempts() map[string]func() error {
	all := map[string]func() error{
		"io_uring":          raw(unix.SYS_IO_URING_SETUP, 1, 0),
		"userfaultfd":       raw(unix.SYS_USERFAULTFD, 0),
		"keyctl":            raw(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, 0),
		"add_key":           raw(unix.SYS_ADD_KEY, 0, 0, 0, 0, 0),
		"ptrace":            raw(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid())),
		"process_vm_readv":  raw(unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid()), 0, 0, 0, 0, 0),
		"bpf":               raw(unix.SYS_BPF, 0, 0, 0),
		"perf_event_open":   raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0),
		"mount":             func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
		"remount":           func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
		"umount":            func() error { return unix.Unmount("/etc", unix.MNT_DETACH) },
		"chroot":            func() error { return unix.Chroot("/tmp") },
		"swapon":            raw(unix.SYS_SWAPON, 0, 0),
		"init_module":       raw(unix.SYS_INIT_MODULE, 0, 0, 0),
		"sethostname":       func() error { return unix.Sethostname([]byte("x")) },
		"settimeofday":      func() error { return unix.Settimeofday(&unix.Timeval{Sec: 1}) },
		"personality":       raw(unix.SYS_PERSONALITY, 0x0040000),
		"realtime":          realtime,
		"more files":        moreFiles,
		"setuid file":       setuidFile,
		"mknod":             func() error { return unix.Mknod("/tmp/fleet-null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) },
		"signal PID 1":      func() error { return unix.Kill(1, 0) },
		"setuid 0":          func() error { return unix.Setreuid(0, 0) },
		"su":                run("su", "-c", "true"),
		"foreign processes": foreign,
		"netlink write":     run("ip", "link", "set", "lo", "down"),
		"route write":       run("ip", "route", "add", "local", "default", "dev", "lo"),
		"rules write":       run("nft", "add", "table", "inet", "evil"),
		"ping":              run("ping", "-c", "1", "-W", "1", "192.0.2.1"),
		"systemd-run":       run("systemd-run", "--user", "true"),
		"crontab":           run("sh", "-c", "echo '* * * * * true' | crontab -"),
		"map users":         func() error { return os.WriteFile("/proc/self/uid_map", []byte("0 0 1"), 0) },
		"clone3 user":       cloneUser,
		"tcp out":           reach("192.0.2.1:443"),
		"tcp6 out":          dial("tcp6", "[2001:db8::1]:443"),
		"metadata":          reach("169.254.169.254:80"),
		"udp out":           udp("192.0.2.1:443"),
		"host's port":       dial("tcp4", "127.0.0.1:7777"),
		"abstract socket":   dial("unix", "@fleet-host"),
	}
	for name, flag := range map[string]uintptr{
		"user": unix.CLONE_NEWUSER, "net": unix.CLONE_NEWNET, "mnt": unix.CLONE_NEWNS, "ipc": unix.CLONE_NEWIPC,
		"pid": unix.CLONE_NEWPID, "uts": unix.CLONE_NEWUTS, "cgroup": unix.CLONE_NEWCGROUP, "time": unix.CLONE_NEWTIME,
	} {
		all["unshare "+name] = raw(unix.SYS_UNSHARE, flag)
	}
	for name, s := range map[string][3]int{
		"vsock": {unix.AF_VSOCK, unix.SOCK_STREAM, 0}, "packet": {unix.AF_PACKET, unix.SOCK_RAW, 0},
		"raw": {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW}, "raw6": {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW},
		"ping socket": {unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP}, "smc": {unix.AF_SMC, unix.SOCK_STREAM, 0},
		"bluetooth": {unix.AF_BLUETOOTH, unix.SOCK_RAW, 0}, "alg": {unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		"xdp": {unix.AF_XDP, unix.SOCK_RAW, 0}, "tipc": {unix.AF_TIPC, unix.SOCK_STREAM, 0}, "can": {
			unix.AF_CAN,
			unix.SOCK_RAW, 1,
		},
		"kcm": {unix.AF_KCM, unix.SOCK_DGRAM, 0}, "rds": {unix.AF_RDS, unix.SOCK_SEQPACKET, 0},
	} {
		all["socket "+name] = func() error {
			fd, err := unix.Socket(s[0], s[1], s[2])
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}
	}
	for _, path := range []string{
		"/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify", "/run/systemd/journal/socket",
		"/run/systemd/journal/stdout", "/run/systemd/journal/dev-log",
		"/run/systemd/userdb/io.systemd.DynamicUser", "/dev/log",
	} {
		all["connect "+path] = connect(path)
	}
	for _, path := range []string{
		"/home/demo-lead", "/home/demo-worker", "/home/demo-admin", "/root", "/run/fleet/demo/lead", "/run/fleet/demo/worker",
		"/var/lib/fleet/demo/records/lead", "/var/lib/fleet/demo/records/worker", "/run/systemd/incoming", "/sys",
		"/sys/fs/cgroup",
		"/var/lib/fleet/demo/keys", "/dev/hugepages", "/etc/ssl/private", "/lost+found", "/srv/secret", "/opt",
	} {
		if !strings.Contains(path, os.Getenv("FLEET_AGENT")) {
			all["list "+path] = func() error { _, err := os.ReadDir(path); return err }
		}
	}
	for _, path := range []string{
		"/etc/shadow", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/vsock",
		"/proc/kcore", "/proc/kmsg", "/proc/1/environ",
	} {
		all["read "+path] = func() error { return closing(os.Open(path)) }
	}
	for _, dir := range []string{
		"/", "/usr", "/etc", "/etc/claude-code", "/run", "/run/fleet/demo",
		"/run/fleet/demo/" + os.Getenv("FLEET_AGENT"), "/run/fleet/demo/units", "/home",
		"/var", "/var/lib/fleet/store", "/var/lib/fleet/demo", "/dev", "/root", "/mnt", "/srv",
	} {
		all["write "+dir] = func() error { return closing(os.Create(filepath.Join(dir, "fleet-mark"))) }
	}
	for _, path := range []string{
		"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/net/ipv4/ip_forward", "/etc/passwd",
		"/etc/claude-code/managed-settings.json",
		"/run/fleet/demo/host",
	} {
		all["open for writing "+path] = func() error { return closing(os.OpenFile(path, os.O_WRONLY, 0)) }
	}
	return all
}

func closing(f *os.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}

// raw makes a system call. An answer that shows that the kernel looked at the arguments counts as success.
func raw(number uintptr, args ...uintptr) func() error {
	return func() error {
		var a [6]uintptr
		copy(a[:], args)
		_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno == 0 || errno == unix.EFAULT || errno == unix.EINVAL || errno == unix.E2BIG {
			return nil
		}
		return errno
	}
}

func run(argv ...string) func() error {
	return func() error {
		if _, err := exec.LookPath(argv[0]); err != nil {
			return err
		}
		return exec.Command(argv[0], argv[1:]...).Run()
	}
}

func dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, 2*time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// reach wants an answer: in a namespace the gate takes every connection.
func reach(address string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp4", address, 2*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		return err
	}
}

func udp(address string) func() error {
	return func() error {
		c, err := net.Dial("udp4", address)
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("x"))
		return err
	}
}

func connect(path string) func() error {
	return func() error {
		var errs []error
		for _, network := range []string{"unix", "unixgram", "unixpacket"} {
			c, err := net.Dial(network, path)
			if err == nil {
				return c.Close()
			}
			errs = append(errs, err)
		}
		return errs[0]
	}
}

func realtime() error {
	param := struct{ priority int32 }{1}
	_, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, 1, uintptr(unsafe.Pointer(&param)))
	if errno != 0 {
		return errno
	}
	return nil
}

func moreFiles() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Max++
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
}

func setuidFile() error {
	f, err := os.Create("/tmp/fleet-suid")
	if err != nil {
		return nil
	}
	defer f.Close()
	return unix.Fchmod(int(f.Fd()), 0o4755)
}

func cloneUser() error {
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	return c.Run()
}

// foreign succeeds where a process of another user can be seen.
func foreign() error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(dirs) == 0 {
		return nil
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != os.Getuid() {
			return nil
		}
	}
	return errors.New("only its own")
}

// serve listens as a service of the host would.
func serve() {
	_, err := net.Listen("tcp4", "127.0.0.1:7777")
	fail(err)
	_, err = net.Listen("unix", "@fleet-host")
	fail(err)
	time.Sleep(time.Hour)
}

// dump writes arguments, environment and what is in two mounts to the file that the first argument names.
func dump() {
	var seen []string
	for _, dir := range []string{"/mnt/a b", "/mnt/100%"} {
		data, _ := os.ReadFile(dir + "/name")
		seen = append(seen, string(data))
	}
	data, _ := json.Marshal(struct{ Args, Env, Seen []string }{os.Args[2:], os.Environ(), seen})
	_ = os.WriteFile(os.Args[1], data, 0o644)
}

// terminal attaches a new pty to the agent whose unit is the first argument, types a line and prints what it shows.
func terminal() {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	fail(err)
	fail(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	fail(err)
	fail(unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	fail(err)
	unitName := os.Args[1] + "@" + strconv.Itoa(n) + ".service"
	out, err := exec.Command("systemctl", "start", unitName).CombinedOutput()
	if err != nil {
		fail(fmt.Errorf("%w: %s", err, out))
	}
	fail(slave.Close())
	go func() {
		time.Sleep(time.Second)
		_, _ = master.Write([]byte("hello from outside\r"))
		time.Sleep(2 * time.Second)
		_ = exec.Command("systemctl", "stop", unitName).Run()
		time.Sleep(time.Second)
		os.Exit(0)
	}()
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		if err != nil {
			return
		}
		os.Stdout.Write(buf[:n])
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
