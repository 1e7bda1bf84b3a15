// Package machine boots a throwaway Linux machine with systemd as its first process, made from a root file system that
// it never changes: systemd-nspawn over an overlay whose upper layer is in memory. `fleet try` and the tests that need
// a real host run in such a machine.
//
// All mounts are made in a mount namespace of the machine's own, which one OS thread of this process holds, and the
// machine's processes die with this process, so that nothing is left behind however it ends. The machine's network has
// nothing but a loopback interface.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// Options say what a machine is made of. The zero value is this host's root without its services.
type Options struct {
	// Name is the machine's host name; "fleet" where empty.
	Name string
	// Root is the file system that the machine starts from, "/" where empty. It must not lie below /run. Of "/", the
	// mounts below it are taken too, each under an overlay or read-only.
	Root string
	// AllServices boots every service that Root enables. Without it, only systemd's basic.target, the journal, D-Bus
	// and logind start, and what is installed later.
	AllServices bool
	// WithoutDBus and WithoutLogind mask these services.
	WithoutDBus, WithoutLogind bool
	// RunSize is the size of /run as in tmpfs(5), such as "32m"; systemd-nspawn's choice where empty.
	RunSize string
	// RunNoExec mounts /run noexec.
	RunNoExec bool
	// UpperSize limits all that is written to the root file system; half of the memory where empty.
	UpperSize string
	// Volumes are parts of the tree on file systems of their own.
	Volumes []Volume
	// Files are copied in before the first boot.
	Files []File
	// Binds are seen read-only by the machine.
	Binds []Bind
	// Console gets what the machine writes to its console.
	Console io.Writer
	// BootTimeout bounds each boot; two minutes where zero.
	BootTimeout time.Duration
}

// Volume puts Path, absolute and inside, on a file system of its own. It lies over what Root has there.
type Volume struct {
	Path   string
	Size   string // as in tmpfs(5)
	Inodes int    // no limit where zero
	NoExec bool
}

// File is a regular file that is copied with its permissions, owned by root.
type File struct{ Outside, Inside string }

// Bind shows the file or folder Outside at Inside. Outside must not lie below /run.
type Bind struct{ Outside, Inside string }

// bootTimeout is for a slow host that boots several machines at once; a boot takes one or two seconds.
const bootTimeout = 2 * time.Minute

// Machine is a booted machine. It is used by one goroutine at a time, Command and what it returns excepted.
type Machine struct {
	opts    Options
	id      string // unique on this host
	thread  *thread
	tree    *tree
	cage    *cage
	console *tail
	proc    *process // nil while it is off

	closeOnce sync.Once
	closeErr  error
}

// Boot makes a machine and returns when systemd in it has finished booting. The caller must Close it. Where it fails,
// or ctx ends before it returns, everything that it made is gone. It needs root.
func Boot(ctx context.Context, o Options) (*Machine, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &Machine{opts: o, id: newID(), console: &tail{also: o.Console}}
	if err := m.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("machine %s: %w", o.Name, err), m.Close())
	}
	if err := m.Start(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "fleet"
	}
	if o.Root == "" {
		o.Root = "/"
	}
	if o.BootTimeout == 0 {
		o.BootTimeout = bootTimeout
	}
	return o
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// check refuses what cannot work before anything is made.
func (o Options) check() error {
	if !nameForm.MatchString(o.Name) {
		return fmt.Errorf("machine name %q must be lower-case letters, digits and dashes", o.Name)
	}
	if os.Geteuid() != 0 {
		return errors.New("a machine needs root to mount its file system; run the command with sudo")
	}
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		return errors.New("systemd-nspawn is missing; install systemd-container (on Arch: systemd), " +
			"or run fleet doctor --fix")
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		return errors.New("nsenter is missing; install util-linux, or run fleet doctor --fix")
	}
	return nil
}

// build makes the namespace, the tree and the place for the machine's processes.
func (m *Machine) build() (err error) {
	if m.thread, err = startThread(); err != nil {
		return err
	}
	return m.thread.do(func() error {
		mounts, err := hostMounts(m.opts.Root)
		if err != nil {
			return err
		}
		if err := hideRun(m.opts.UpperSize); err != nil {
			return err
		}
		if m.cage, err = newCage(m.id); err != nil {
			return err
		}
		m.tree, err = buildTree(m.opts, mounts)
		return err
	})
}

// Start boots a machine that is off, on the tree as it was left. It does nothing where the machine runs.
func (m *Machine) Start(ctx context.Context) error {
	if m.Running() {
		return nil
	}
	if err := m.Kill(); err != nil { // what a shutdown from inside left
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.opts.BootTimeout,
		fmt.Errorf("not booted after %s", m.opts.BootTimeout))
	defer cancel()
	err := m.boot(ctx)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return errors.Join(m.Kill(), fmt.Errorf("machine %s: %w%s", m.opts.Name, err, m.console))
}

// Running reports whether the machine is on. It is off after Poweroff, and when it was shut down from inside.
func (m *Machine) Running() bool { return m.proc != nil && m.proc.alive() }

// Poweroff shuts the machine down in order. The tree stays, /run does not. Where ctx ends first, the machine is killed
// and the error says so.
func (m *Machine) Poweroff(ctx context.Context) error {
	if !m.Running() {
		return nil
	}
	if err := m.proc.shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("machine %s did not shut down: %w%s", m.opts.Name, err, m.console), m.Kill())
	}
	return m.Kill()
}

// Reboot shuts the machine down and boots it again. The tree stays, /run does not.
func (m *Machine) Reboot(ctx context.Context) error {
	if err := m.Poweroff(ctx); err != nil {
		return err
	}
	return m.Start(ctx)
}

// Kill ends every process of the machine at once, as a power cut does but for what the page cache holds.
func (m *Machine) Kill() error {
	if m.proc == nil {
		return nil
	}
	p := m.proc
	m.proc = nil
	return p.kill(m.cage)
}

// Path returns where the outside finds the machine's absolute path inside. It holds until the machine is next started
// or stopped; while it is off, /run, /tmp, /dev and the like are not there. A link inside that is absolute leads to
// this host's files: use it for folders that nothing in the machine can have tampered with.
func (m *Machine) Path(inside string) string {
	if m.Running() {
		return filepath.Join(fmt.Sprintf("/proc/%d/root", m.proc.leader), inside)
	}
	return filepath.Join(m.thread.root(), m.tree.root, inside)
}

// Close ends the machine and removes every trace of it. It may be called more than once.
func (m *Machine) Close() error {
	m.closeOnce.Do(func() { m.closeErr = m.close() })
	return m.closeErr
}

func (m *Machine) close() error {
	err := m.Kill()
	if m.thread == nil {
		return err
	}
	err = errors.Join(err, m.thread.do(func() error {
		var errs []error
		if m.tree != nil {
			errs = append(errs, m.tree.unmount())
		}
		if m.cage != nil {
			errs = append(errs, m.cage.remove())
		}
		return errors.Join(errs...)
	}))
	m.thread.stop()
	return err
}
