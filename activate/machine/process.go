package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one run of the machine: systemd-nspawn, and the systemd that it supervises.
type process struct {
	cmd    *exec.Cmd
	leader int           // the machine's PID 1, as this host counts; 0 until it is known
	pidfd  int           // refers to the leader, which may end and its number be reused
	done   chan struct{} // closed when systemd-nspawn has ended
}

const (
	pollEvery = 50 * time.Millisecond
	// killWait is what the kernel may need to end some hundred processes on a loaded host.
	killWait = 15 * time.Second
)

// sigPoweroff makes systemd power off, see systemd(1). Go's signals have no real-time names.
const sigPoweroff = syscall.Signal(34 + 4) // SIGRTMIN+4

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// boot starts systemd-nspawn and waits until the system in it is up.
func (m *Machine) boot(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := m.thread.do(func() (err error) {
		m.proc, err = startProcess(m.cage.wrap(m.nspawn()), m.console)
		return err
	})
	if err != nil {
		return err
	}
	if err := m.poll(ctx, "systemd in it did not start", m.findLeader); err != nil {
		return err
	}
	return m.poll(ctx, "systemd in it did not finish booting", func() bool { return m.booted(ctx) })
}

// nspawn returns its command line. The machine gets no link to this host: no journal, no registration, no network.
func (m *Machine) nspawn() []string {
	argv := []string{
		"systemd-nspawn", "--quiet", "--settings=no", "--directory=" + m.tree.root, "--machine=" + m.opts.Name,
		"--private-network", "--register=no", "--keep-unit", "--capability=all", "--link-journal=no",
		"--resolv-conf=off", "--timezone=off", "--console=read-only",
	}
	esc := strings.NewReplacer(`\`, `\\`, ":", `\:`)
	for _, b := range m.opts.Binds {
		argv = append(argv, "--bind-ro="+esc.Replace(b.Outside)+":"+esc.Replace(b.Inside))
	}
	// Not --boot, with which SIGTERM asks the machine to shut down, as long as that may take. Without it, SIGTERM makes
	// systemd-nspawn kill the machine at once.
	argv = append(argv, "--")
	if run := m.runOptions(); run != "" {
		// systemd takes /run as it finds it, so it is changed before systemd starts.
		argv = append(argv, "/bin/sh", "-euc", `mount -o "remount,$1" /run; shift; exec "$@"`, "sh", run)
	}
	argv = append(argv, "/lib/systemd/systemd")
	if !m.opts.AllServices {
		argv = append(argv, "--unit=multi-user.target")
	}
	return argv
}

func (m *Machine) runOptions() string {
	var o []string
	if m.opts.RunSize != "" {
		o = append(o, "size="+m.opts.RunSize)
	}
	if m.opts.RunNoExec {
		o = append(o, "noexec")
	}
	return strings.Join(o, ",")
}

// startProcess starts argv on the machine's thread. It gets SIGTERM when this process dies, and a terminal's Ctrl-C
// passes it by.
func startProcess(argv []string, console *tail) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = console, console
	p.cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "SYSTEMD_COLORS=0")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // its state says more
		close(p.done)
	}()
	return p, nil
}

// poll waits until f holds, the machine ends, or ctx does.
func (m *Machine) poll(ctx context.Context, what string, f func() bool) error {
	for !f() {
		select {
		case <-ctx.Done():
			return errors.New(what)
		case <-m.proc.done:
			return fmt.Errorf("%s: systemd-nspawn ended, %s", what, m.proc.cmd.ProcessState)
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// findLeader looks for the child of systemd-nspawn that is PID 1 in a namespace of its own. For a moment there is
// another child, which makes it.
func (m *Machine) findLeader() bool {
	pid := m.proc.cmd.Process.Pid
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(text)) {
		child, _ := strconv.Atoi(f)
		if innerPID(child) != "1" {
			continue
		}
		fd, err := unix.PidfdOpen(child, 0)
		if err != nil {
			return false
		}
		m.proc.leader, m.proc.pidfd = child, fd
		return true
	}
	return false
}

// innerPID returns a process's id in its innermost namespace, "" where that is ours.
func innerPID(pid int) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			own, _ := os.ReadFile("/proc/self/status")
			f := strings.Fields(ids)
			if len(f) > nsDepth(string(own)) {
				return f[len(f)-1]
			}
		}
	}
	return ""
}

// nsDepth counts the PID namespaces that a process's status shows.
func nsDepth(status string) int {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return len(strings.Fields(ids))
		}
	}
	return 0
}

// booted asks the machine's systemd. A unit that failed is no failure of the boot.
func (m *Machine) booted(ctx context.Context) bool {
	out, _, _ := m.Run(ctx, "systemctl", "is-system-running")
	state := strings.TrimSpace(out)
	return state == "running" || state == "degraded"
}

// shutdown asks systemd to power off and waits for it.
func (p *process) shutdown(ctx context.Context) error {
	if err := unix.Kill(p.leader, sigPoweroff); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// kill ends the machine. Where its PID 1 dies, the kernel ends all others, and systemd-nspawn reaps it and ends; before
// there is one, systemd-nspawn sees to it.
func (p *process) kill(c *cage) error {
	if p.leader != 0 {
		_ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
		defer func() { p.leader = 0; unix.Close(p.pidfd) }()
	} else {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	if p.waitAll() {
		return nil
	}
	c.kill()
	if p.waitAll() {
		return nil
	}
	return fmt.Errorf("machine's processes %d and %d are still there after SIGKILL", p.cmd.Process.Pid, p.leader)
}

// waitAll waits until systemd-nspawn and the machine's PID 1 have ended.
func (p *process) waitAll() bool {
	select {
	case <-p.done:
	case <-time.After(killWait):
		return false
	}
	if p.leader == 0 {
		return true
	}
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(killWait); time.Now().Before(deadline); {
		if n, err := unix.Poll(fds, int(killWait/time.Millisecond)); n > 0 && err == nil {
			return true
		}
	}
	return false
}
