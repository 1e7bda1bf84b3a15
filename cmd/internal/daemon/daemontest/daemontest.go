// Package daemontest is systemd to a daemon under test: it holds the sockets, starts the test's own binary as the daemon,
// and hears its notifications.
package daemontest

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a daemon may take to say something or to end.
const patience = 30 * time.Second

// AtOnce has a program with the race detector end when it ends, and not a second later.
const AtOnce = "GORACE=atexit_sleep_ms=0"

// Is tells whether the process was started by a Host for the variable; then TestMain calls the daemon's main.
func Is(variable string) bool {
	if os.Getenv(variable) == "" {
		return false
	}
	_ = os.Unsetenv(variable)
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // it has no forbidden byte
	return true
}

// Host plays systemd for one daemon after the other. It ends with its test.
type Host struct {
	T      testing.TB
	Dir    string // for the test's files
	Stderr Output
	Cmd    *exec.Cmd
	Files  []*os.File // the sockets of the next daemon
	Names  []string   // theirs, see FileDescriptorName= of systemd.socket(5)
	Extra  []*os.File // descriptors that it inherits and nobody knows of
	Env    []string   // besides what systemd gives it

	variable string
	notify   *net.UnixConn
}

// New returns a host whose daemons are the test's binary, with the variable set.
func New(t testing.TB, variable string) *Host {
	t.Helper()
	h := &Host{T: t, Dir: t.TempDir(), variable: variable}
	h.notify = h.Unixgram("notify")
	return h
}

func (h *Host) check(err error) {
	h.T.Helper()
	if err != nil {
		h.T.Fatal(err)
	}
}

// Unixgram returns a datagram socket of that name in Dir.
func (h *Host) Unixgram(name string) *net.UnixConn {
	h.T.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.Dir + "/" + name, Net: "unixgram"})
	h.check(err)
	h.T.Cleanup(func() { _ = c.Close() })
	return c
}

// Socket is what has a descriptor to pass on.
type Socket interface {
	File() (*os.File, error)
	Close() error
}

// Keep takes a socket over for the next daemon, after those before it.
func (h *Host) Keep(s Socket, name string) {
	h.T.Helper()
	f, err := s.File()
	h.check(err)
	_ = s.Close()
	h.Files, h.Names = append(h.Files, f), append(h.Names, name)
	h.T.Cleanup(func() { _ = f.Close() })
}

// KeepTCP listens on a port of 127.0.0.1 for the next daemon and returns its address.
func (h *Host) KeepTCP(name string) string {
	h.T.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	h.check(err)
	address := l.Addr().String()
	h.Keep(l, name)
	return address
}

// KeepUnix listens on a file of Dir for the next daemon.
func (h *Host) KeepUnix(file, name string) {
	h.T.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.Dir + "/" + file, Net: "unix"})
	h.check(err)
	l.SetUnlinkOnClose(false)
	h.Keep(l, name)
}

// Run starts a daemon. It is killed at the end of the test.
func (h *Host) Run(args ...string) {
	h.T.Helper()
	h.Cmd = exec.Command(os.Args[0], args...)
	h.Cmd.Env = append([]string{
		h.variable + "=1", AtOnce, "NOTIFY_SOCKET=" + h.Dir + "/notify",
		"LISTEN_FDS=" + strconv.Itoa(len(h.Files)), "LISTEN_FDNAMES=" + strings.Join(h.Names, ":"),
	}, h.Env...)
	h.Cmd.ExtraFiles = slices.Concat(h.Files, h.Extra)
	h.Stderr.Reset()
	h.Cmd.Stderr = &h.Stderr
	h.check(h.Cmd.Start())
	cmd := h.Cmd
	h.T.Cleanup(func() {
		_ = cmd.Process.Kill() // where it runs
		_ = cmd.Wait()
		if h.T.Failed() {
			h.T.Logf("the daemon said:\n%s", h.Stderr.String())
		}
	})
}

// Said waits for a notification with all of these lines.
func (h *Host) Said(lines ...string) {
	h.T.Helper()
	buf := make([]byte, 4096)
	_ = h.notify.SetReadDeadline(time.Now().Add(patience))
	var all []string
	for {
		n, err := h.notify.Read(buf)
		if err != nil {
			h.T.Fatalf("no %q, only %q; %s", lines, all, h.Stderr.String())
		}
		said := string(buf[:n])
		all = append(all, said)
		missing := false
		for _, l := range lines {
			missing = missing || !strings.Contains("\n"+said+"\n", "\n"+l+"\n")
		}
		if !missing {
			return
		}
	}
}

// Exit waits for the end and returns the status.
func (h *Host) Exit() int {
	h.T.Helper()
	timer := time.AfterFunc(patience, func() { _ = h.Cmd.Process.Kill() })
	defer timer.Stop()
	_ = h.Cmd.Wait()
	return h.Cmd.ProcessState.ExitCode()
}

// Kill ends the daemon at once and waits.
func (h *Host) Kill() {
	_ = h.Cmd.Process.Kill()
	_ = h.Cmd.Wait()
}
