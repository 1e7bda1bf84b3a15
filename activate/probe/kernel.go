package probe

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// families are socket families that pass a firewall by: each must be refused when the socket is made.
func families() []attempt {
	list := []struct {
		name                string
		family, kind, proto int
	}{
		{"vsock", unix.AF_VSOCK, unix.SOCK_STREAM, 0},
		{"packet socket", unix.AF_PACKET, unix.SOCK_RAW, 0},
		{"raw IPv4 socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW},
		{"raw IPv6 socket", unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW},
		{"SMC socket", unix.AF_SMC, unix.SOCK_STREAM, 0},
		{"Bluetooth socket", unix.AF_BLUETOOTH, unix.SOCK_RAW, 0},
		{"ALG socket", unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		{"XDP socket", unix.AF_XDP, unix.SOCK_RAW, 0},
	}
	var out []attempt
	for _, f := range list {
		out = append(out, attempt{f.name, func() error { return socket(f.family, f.kind, f.proto) }})
	}
	return out
}

func socket(family, kind, proto int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// kernel are calls that would widen what the agent can do.
func kernel() []attempt {
	return []attempt{
		{"io_uring", func() error { return call(unix.SYS_IO_URING_SETUP, 1, 0) }},
		{"new user namespace", func() error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0) }},
		{"new network namespace", func() error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWNET, 0) }},
		{"keyring", func() error { return call(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, uintptr(0)) }},
		{"bpf", func() error { return call(unix.SYS_BPF, 0, 0) }},
		{"perf events", func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0) }},
		{"userfaultfd", func() error { return call(unix.SYS_USERFAULTFD, 0, 0) }},
		{"mount", func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") }},
		{"signal to PID 1", func() error { return unix.Kill(1, 0) }},
	}
}

func call(number, a, b uintptr) error {
	_, _, errno := unix.Syscall6(number, a, b, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.EINVAL, unix.EFAULT:
		return nil // the kernel got as far as looking at the arguments: the call is open
	}
	return errno
}

// status proves the process's own state, as the kernel shows it.
func status(o Options) []Result {
	want := map[string]string{"Seccomp": "2", "CapEff": "0000000000000000"}
	if !o.Sudo {
		want["NoNewPrivs"] = "1"
	}
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return []Result{{Name: "process state", Detail: err.Error()}}
	}
	have := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			have[k] = strings.TrimSpace(v)
		}
	}
	var out []Result
	for _, k := range []string{"NoNewPrivs", "Seccomp", "CapEff"} {
		if v, checked := want[k]; checked {
			out = append(out, Result{Name: k, Held: have[k] == v, Detail: fmt.Sprintf("is %s", have[k])})
		}
	}
	return out
}
