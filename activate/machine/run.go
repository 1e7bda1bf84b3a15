package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// path is what a login shell of root would have.
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Command returns argv as a command that runs as root in the machine, in all its namespaces, with "/" as its folder.
// The caller sets its input, output and further environment; with a terminal on them it can be an interactive shell.
// Its end by ctx reaches only what Run starts: what an interactive command leaves running ends with the machine.
func (m *Machine) Command(ctx context.Context, argv ...string) *exec.Cmd {
	leader := 0 // where it is off: no such process
	if m.Running() {
		leader = m.proc.leader
	}
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target=" + strconv.Itoa(leader), "--all", "--"},
		argv...)...)
	cmd.Env = []string{"PATH=" + path, "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "LANG=C.UTF-8"}
	if term := os.Getenv("TERM"); term != "" {
		cmd.Env = append(cmd.Env, "TERM="+term)
	}
	cmd.WaitDelay = time.Second
	return cmd
}

// Run runs argv as root in the machine and returns what it wrote. An exit status other than 0 is an *exec.ExitError.
// When ctx ends, the command and its children are killed.
func (m *Machine) Run(ctx context.Context, argv ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd := m.Command(ctx, argv...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	Detach(cmd)
	err = cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), errOut.String(), err
}

// Detach gives a command from Command a process group of its own, which is killed as a whole when its context ends.
// nsenter forks, so that killing it alone would leave the command running. It must not be used with a terminal.
func Detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		if err != nil {
			return fmt.Errorf("kill the command in the machine: %w", err)
		}
		return nil
	}
}
