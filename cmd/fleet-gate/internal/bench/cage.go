//go:build bench

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	caged = "FLEET_BENCH_CAGED"

	// work lies on a file system in memory that is gone with the mount namespace.
	work = "/run/bench"

	// origins is a range that the gate takes for public. It lies in a second network namespace: the gate refuses what
	// is its own machine.
	origins   = "93.184.215.0/24"
	originNet = "/run/netns/origin"

	nameServer = "127.0.0.53"
)

// enterCage runs this program again as the first process of namespaces of its own, whose end is the end of all in it.
func enterCage() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "needs root, for namespaces of its own")
		return 2
	}
	runtime.LockOSThread() // the death signal is bound to the thread
	// A Ctrl-C reaches both of us; it ends the cage, and then there is its exit status.
	signal.Ignore(os.Interrupt)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), caged+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
		Pdeathsig:  unix.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// furnish makes file systems and network of the cage.
func furnish() error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, unix.SIGTERM)
	go func() {
		<-interrupted
		os.Exit(1) // and the kernel ends all others
	}()
	for _, m := range []struct {
		what, at, kind string
		flags          uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"tmpfs", "/run", "tmpfs", 0},
	} {
		if err := unix.Mount(m.what, m.at, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if err := os.Chmod("/run", 0o755); err != nil {
		return err
	}
	resolv := filepath.Join(work, "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver "+nameServer+"\n"), 0o644); err != nil {
		return err
	}
	// A link would lead to a file of the host.
	if at, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil {
		if err := unix.Mount(resolv, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", at, err)
		}
	}
	return network()
}

func network() error {
	for _, line := range []string{
		"ip link set lo up",
		"ip netns add " + filepath.Base(originNet),
		"ip link add o0 type veth peer name o1 netns " + filepath.Base(originNet),
		"ip addr add 10.99.0.1/30 dev o0",
		"ip link set o0 up",
		"ip route add " + origins + " via 10.99.0.2",
		"ip -n origin link set lo up",
		"ip -n origin addr add 10.99.0.2/30 dev o1",
		"ip -n origin link set o1 up",
		"ip -n origin route add local " + origins + " dev lo",
	} {
		argv := strings.Fields(line)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", line, err, out)
		}
	}
	// Thousands of short connections between two addresses: without these, their ports are used up. The queue of a journal's
	// socket is as long as systemd makes it.
	for name, value := range map[string]string{
		"net/unix/max_dgram_qlen":      "512",
		"net/ipv4/ip_local_port_range": "10000 65000", "net/ipv4/tcp_tw_reuse": "1", "net/ipv4/tcp_max_tw_buckets": "8192",
	} {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// inOriginNet runs f on a thread in the origins' network namespace, in which the sockets stay that f makes.
func inOriginNet(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(originNet)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", originNet, err)
	}
	failed := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("leave %s: %w", originNet, err) // and the thread stays locked, so that nobody else gets it
	}
	runtime.UnlockOSThread()
	return failed
}
