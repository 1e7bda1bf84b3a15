package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fleet/schemas/chat"
)

// chatd plays systemd for a chat of a script: it has the sockets, and starts the daemon with them.
type chatd struct {
	sockets []*os.File
	names   []string
	cmd     *exec.Cmd
}

type chatdKey struct{}

// runChatd is "chatd start CONFIG", which binds chat.sock for operators and KEY.sock for each agent, and "chatd stop" and
// "chatd kill", after which "chatd start" goes on with the same sockets.
func runChatd(ts *testscript.TestScript, neg bool, args []string) {
	d, ok := ts.Value(chatdKey{}).(*chatd)
	switch {
	case ok && !neg && len(args) == 2 && args[0] == "start":
		ts.Check(d.start(ts.MkAbs("."), ts.MkAbs(args[1])))
	case ok && !neg && len(args) == 1 && args[0] == "stop":
		ts.Check(d.end(syscall.SIGTERM))
	case ok && !neg && len(args) == 1 && args[0] == "kill":
		ts.Check(d.end(syscall.SIGKILL))
	default:
		ts.Fatalf("usage: chatd start CONFIG | stop | kill")
	}
}

func (d *chatd) start(dir, config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	c, err := chat.Parse(text)
	if err != nil {
		return err
	}
	if d.sockets == nil {
		if err := d.bind(dir, c); err != nil {
			return err
		}
	}
	state := filepath.Join(dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	stderr, err := os.OpenFile(filepath.Join(dir, "chatd.err"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer stderr.Close()
	// LISTEN_PID must be the daemon's own number, sd_listen_fds(3).
	d.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(daemons, "fleet-chat"),
		"--config", config, "--state", state)
	d.cmd.Env = []string{
		fmt.Sprintf("LISTEN_FDS=%d", len(d.sockets)), "LISTEN_FDNAMES=" + strings.Join(d.names, ":"),
	}
	d.cmd.ExtraFiles, d.cmd.Stderr = d.sockets, stderr
	return d.cmd.Start()
}

func (d *chatd) bind(dir string, c *chat.Config) error {
	listen := func(file, name string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, file), Net: "unix"})
		if err != nil {
			return err
		}
		defer l.Close()
		l.SetUnlinkOnClose(false)
		f, err := l.File()
		d.sockets, d.names = append(d.sockets, f), append(d.names, name)
		return err
	}
	err := listen("chat.sock", chat.ControlSocket)
	for _, a := range c.Agents {
		err = errors.Join(err, listen(a.Key+".sock", a.Stdio))
	}
	return err
}

func (d *chatd) end(how syscall.Signal) error {
	if d.cmd == nil {
		return nil
	}
	err := errors.Join(d.cmd.Process.Signal(how), d.cmd.Wait())
	d.cmd = nil
	if how == syscall.SIGKILL {
		return nil
	}
	return err
}

func (d *chatd) close() {
	_ = d.end(syscall.SIGKILL)
	for _, f := range d.sockets {
		f.Close()
	}
}

// await is "await FILE PATTERN": it waits until a line of the file matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(text) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s never has %q, it has:\n%s", args[0], args[1], text)
		}
	}
}
