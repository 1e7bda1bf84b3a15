//go:build bench

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/bench/meter"
)

const proxyPort = 3128

// subject is a proxy that runs, or the direct way without one.
type subject struct {
	name  string
	proxy string // address; "" is the direct way
	names bool   // it looks names up
	opens bool   // it inspects what is to be inspected
	holds bool   // it has the secret, and its client the placeholder
	cmd   *exec.Cmd
	began time.Time // of the process
	first *os.File  // the proxy's listening socket, where it was passed
	extra []*os.File
	slack time.Duration // of its timers, TimerSlackNSec= of systemd; 0 is the kernel's
}

func (s *subject) pid() int { return s.cmd.Process.Pid }

func (s *subject) cpu() (time.Duration, error) {
	if s.cmd == nil {
		return 0, nil
	}
	return meter.CPU(s.pid())
}

// at is how the subject is told where to go.
func (s *subject) at(host string, port int) string {
	if s.names {
		return target(host, port)
	}
	return target(addresses[host], port)
}

func (s *subject) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
	}
	for _, f := range s.extra {
		f.Close()
	}
}

// start starts the process as nobody. What it prints is shown where it does not come up.
func (l *lab) start(s *subject, argv ...string) error {
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.SysProcAttr = asNobody()
	s.cmd.ExtraFiles = s.extra
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LISTEN_FDS=" + fmt.Sprint(len(s.extra))}
	s.cmd.Stderr = os.Stderr
	s.cmd.Dir = "/"
	l.running = append(l.running, s)
	restore, err := timerSlack(s.slack)
	if err != nil {
		return err
	}
	defer restore()
	s.began = time.Now()
	return s.cmd.Start()
}

func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// timerSlack sets what the next process inherits.
func timerSlack(d time.Duration) (restore func(), err error) {
	if d == 0 {
		return func() {}, nil
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(d), 0, 0, 0); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("set the timer slack: %w", err)
	}
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0 is what the thread had; this cannot fail
		runtime.UnlockOSThread()
	}, nil
}

// ready waits until the proxy listens.
func (s *subject) ready() error {
	return eventually(s.name, func() bool {
		c, err := net.Dial("tcp4", s.proxy)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func direct() *subject { return &subject{name: "direct"} }

// pass makes a listening socket for a subject to inherit.
func (s *subject) pass(network, address string) error {
	var f *os.File
	if network == "udp4" {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			return err
		}
		defer c.Close()
		if f, err = c.(*net.UDPConn).File(); err != nil {
			return err
		}
	} else {
		l, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		defer l.Close()
		if f, err = l.(*net.TCPListener).File(); err != nil {
			return err
		}
	}
	if address == s.proxy {
		s.first = f
	}
	s.extra = append(s.extra, f)
	return nil
}

// execAs runs what is behind it as systemd does: LISTEN_PID is its own.
var execAs = []string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}

func (l *lab) startRelay() (*subject, error) {
	s := &subject{name: "relay", proxy: target(l.address(), proxyPort)}
	if err := s.pass("tcp4", s.proxy); err != nil {
		return nil, err
	}
	return s, l.start(s, append(execAs, l.relay)...)
}

const squidConfig = `http_port %s
pid_filename none
cache deny all
cache_log /dev/null
access_log none
netdb_filename none
pinger_enable off
dns_nameservers ` + nameServer + `
http_access allow all
max_filedescriptors 16384
shutdown_lifetime 0 seconds
coredump_dir none
`

func (l *lab) startSquid() (*subject, error) {
	s := &subject{name: "squid", proxy: target(l.address(), proxyPort), names: true}
	dir, err := l.dir(s.name)
	if err != nil {
		return nil, err
	}
	file, err := s.config(dir, squidConfig, s.proxy)
	if err != nil {
		return nil, err
	}
	if err := l.start(s, "squid", "-N", "-f", file); err != nil {
		return nil, err
	}
	return s, s.ready()
}

const tinyproxyConfig = `Listen %s
Port %s
Timeout 600
LogLevel Critical
LogFile "%s"
MaxClients 4000
DisableViaHeader Yes
`

func (l *lab) startTinyproxy() (*subject, error) {
	s := &subject{name: "tinyproxy", proxy: target(l.address(), proxyPort), names: true}
	dir, err := l.dir(s.name)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(s.proxy)
	if err != nil {
		return nil, err
	}
	file, err := s.config(dir, tinyproxyConfig, host, port, filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	if err := l.start(s, "tinyproxy", "-d", "-c", file); err != nil {
		return nil, err
	}
	return s, s.ready()
}

// config writes a proxy's configuration into a folder of its own.
func (s *subject) config(dir, format string, args ...any) (string, error) {
	file := filepath.Join(dir, s.name+".conf")
	return file, os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o644)
}
