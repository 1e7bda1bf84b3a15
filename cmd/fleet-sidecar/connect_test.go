package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/cmd/internal/daemon/daemontest"
)

// shim is the program that a harness starts.
func shim(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	link := t.TempDir() + "/mcp-connect"
	program, err := os.Executable()
	check(t, err)
	check(t, os.Symlink(program, link))
	c := exec.Command(link, args...)
	c.Env = []string{variable + "=1", daemontest.AtOnce}
	return c
}

func TestConnectRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"usage: mcp-connect SOCKET": nil, "usage:": {"--help"}, "usage: ": {"a", "b"}, "the sidecar is not reached": {"/nonexistent"},
	} {
		c := shim(t, args...)
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %s, %v", args, out, err)
		}
		if code := c.ProcessState.ExitCode(); (code == 2) != strings.HasPrefix(want, "usage") {
			t.Errorf("%q: exit %d", args, code)
		}
	}
}

func listenUnix(t *testing.T) (*net.UnixListener, string) {
	t.Helper()
	path := t.TempDir() + "/socket"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	t.Cleanup(func() { l.Close() })
	return l, path
}

// All that was asked goes out, the end of the input too, and what is answered after it comes in.
func TestConnectHalfClose(t *testing.T) {
	t.Parallel()
	l, path := listenUnix(t)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b, _ := io.ReadAll(c)
		time.Sleep(100 * time.Millisecond)
		fmt.Fprintf(c, "after %d bytes\n", len(b))
		c.Close()
	}()
	c := shim(t, path)
	c.Stdin = bytes.NewReader(make([]byte, 1<<20))
	out, err := c.Output()
	if string(out) != "after 1048576 bytes\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

// The shim ends when the sidecar does, though its input goes on, and with the harness, though its input is held open.
func TestConnectEnds(t *testing.T) {
	t.Parallel()
	l, path := listenUnix(t)
	c := shim(t, path)
	stdin, err := c.StdinPipe()
	check(t, err)
	defer stdin.Close()
	check(t, c.Start())
	conn, err := l.Accept()
	check(t, err)
	conn.Close()
	check(t, c.Wait())

	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	defer w.Close()
	parent := exec.Command("/bin/sh", "-c", `"$0" "$1" & echo $!; exec sleep 60`, shim(t, path).Path, path)
	parent.Env, parent.Stdin = []string{variable + "=1", "PATH=" + os.Getenv("PATH")}, r
	parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := parent.StdoutPipe()
	check(t, err)
	check(t, parent.Start())
	var pid string
	fmt.Fscan(stdout, &pid)
	conn, err = l.Accept()
	check(t, err)
	defer conn.Close()
	check(t, parent.Process.Kill())
	parent.Wait()
	eventually(t, "the shim outlives the harness", func() bool {
		_, err := os.Stat("/proc/" + pid)
		return os.IsNotExist(err)
	})
}
