package tool

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/internal/credential"
	"fleet/schemas/sidecar"
)

// defaultPath is where programs are that a tool starts by their name.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// endTime is how long a program may take to end after its input has, and again after SIGTERM; lateTime how long what it had
// written may take to be read then.
const endTime, lateTime = 2 * time.Second, time.Second

// process is a program with pipes to its standard streams, and all that it starts in its process group.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	exited chan struct{}
	how    string // it has ended

	mu     sync.Mutex
	reaped bool // its number may be another one's
}

// spawn starts the program. Its environment has nothing of the sidecar's own.
func spawn(o *Options) (*process, error) {
	argv := o.Config.Tool.Command
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), exited: make(chan struct{})}
	p.cmd.Env = environment(o)
	p.cmd.Dir = o.Home
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	theirs, err := p.pipes()
	if err != nil {
		return nil, errors.Join(err, closeAll(theirs), p.closePipes())
	}
	started := make(chan error)
	go p.run(started)
	err = <-started
	if err := closeAll(theirs); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, errors.Join(err, p.closePipes())
	}
	return p, nil
}

// pipes makes the program's standard streams and returns its own ends.
func (p *process) pipes() (theirs []*os.File, err error) {
	in, err := pipe(&p.stdin, true)
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, in)
	out, err := pipe(&p.stdout, false)
	if err != nil {
		return theirs, err
	}
	theirs = append(theirs, out)
	log, err := pipe(&p.stderr, false)
	if err != nil {
		return theirs, err
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, log
	return append(theirs, log), nil
}

func pipe(ours **os.File, weWrite bool) (theirs *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if weWrite {
		*ours = w
		return r, nil
	}
	*ours = r
	return w, nil
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (p *process) closePipes() error { return closeAll([]*os.File{p.stdin, p.stdout, p.stderr}) }

// environment is exactly what a program gets.
func environment(o *Options) []string {
	env := []string{"PATH=" + defaultPath, "HOME=" + o.Home, "LANG=C.UTF-8"}
	for name, value := range o.Config.Tool.Env {
		env = append(env, name+"="+value)
	}
	if slices.ContainsFunc(o.Config.Tool.Secrets, func(s sidecar.Secret) bool { return s.File }) {
		env = append(env, credential.Variable+"="+o.Secrets.Dir)
	}
	for _, s := range o.Config.Tool.Secrets {
		if s.Env != "" {
			env = append(env, s.Env+"="+o.Secrets.Text(s.Name))
		}
	}
	return env
}

// run starts the program and waits for its end. It keeps its thread all the while, since the kernel sends Pdeathsig when
// the thread that has started the program ends.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.await()
	p.reap()
	_ = p.stdout.SetReadDeadline(time.Now().Add(lateTime)) // a grandchild may hold it open
	_ = p.stderr.SetReadDeadline(time.Now().Add(lateTime))
	close(p.exited)
}

// await waits for the end of the program and ends what is left of its group, before another process can have its number.
func (p *process) await() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.signal(syscall.SIGKILL)
}

func (p *process) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.how = ending(p.cmd.Wait())
	p.reaped = true
}

// signal sends a signal to the whole group, as long as its number is its own.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // it may have ended
	}
}

func ending(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.String()
	}
	return fmt.Sprint(err)
}

// end ends the program, whose input has been closed: at once, or after it got time.
func (p *process) end(kill bool) {
	if !kill {
		if p.within(endTime) {
			return
		}
		p.signal(syscall.SIGTERM)
		if p.within(endTime) {
			return
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func (p *process) within(d time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(d):
		return false
	}
}
