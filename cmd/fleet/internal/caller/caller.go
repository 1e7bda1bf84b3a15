// Package caller acts as the person who called: the user behind sudo, else the user of this process. What a person's
// programs and files hold is then within that person's rights and not within root's.
package caller

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fleet/activate/terminal"
)

// Person is who called.
type Person struct {
	terminal.Operator
	Name string
}

// This finds the person behind this process.
func This() (Person, error) {
	o, err := terminal.ThisOperator(os.Getenv)
	if err != nil {
		return Person{}, err
	}
	u, err := user.LookupId(strconv.Itoa(o.UID))
	if err != nil {
		return Person{}, fmt.Errorf("find the user who called: %w", err)
	}
	p := Person{Operator: o, Name: u.Username}
	if home := os.Getenv("HOME"); !p.isOther() && filepath.IsAbs(home) {
		p.Home = home
	}
	return p, nil
}

// isOther reports whether this process must change its user to be the person.
func (p Person) isOther() bool { return os.Geteuid() == 0 && p.UID != 0 }

// Command returns a program that runs as the person, in the person's environment as far as it is known.
func (p Person) Command(ctx context.Context, argv ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = p.environment(os.Environ())
	if p.isOther() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: p.Credential()}
	}
	return c
}

// environment replaces what sudo has set for root. The folders in which people install programs for themselves are
// searched last.
func (p Person) environment(all []string) []string {
	if !p.isOther() {
		return all
	}
	path := "/usr/local/bin:/usr/bin:/bin"
	var out []string
	for _, kv := range all {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case name == "PATH":
			path = value
		case strings.HasPrefix(name, "SUDO_") || name == "HOME" || name == "USER" || name == "LOGNAME" || name == "MAIL" ||
			name == "XDG_RUNTIME_DIR":
		default:
			out = append(out, kv)
		}
	}
	for _, dir := range []string{"/.local/bin", "/bin", "/go/bin"} {
		path += ":" + p.Home + dir
	}
	out = append(out, "PATH="+path, "HOME="+p.Home, "USER="+p.Name, "LOGNAME="+p.Name)
	if dir := "/run/user/" + strconv.Itoa(p.UID); isFolder(dir) {
		out = append(out, "XDG_RUNTIME_DIR="+dir)
	}
	return out
}

func isFolder(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// Do calls f, which opens, makes or renames files, with the person's rights to them and as their owner. f must start no
// goroutine that does so.
func (p Person) Do(f func() error) (err error) {
	if !p.isOther() {
		return f()
	}
	// A thread whose rights could not be given back is never used again: it ends with its goroutine.
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		restored, err := p.onThread(f)
		if restored {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// onThread changes the IDs that the kernel looks at for files (setfsuid(2)), of this thread alone.
func (p Person) onThread(f func() error) (restored bool, err error) {
	if _, err := unix.SetfsgidRetGid(p.GID); err != nil {
		return false, err
	}
	if _, err := unix.SetfsuidRetUid(p.UID); err != nil {
		return false, err
	}
	if now, err := unix.SetfsuidRetUid(-1); err != nil || now != p.UID {
		return false, fmt.Errorf("act as user %s: the kernel refuses it", p.Name)
	}
	err = f()
	_, errU := unix.SetfsuidRetUid(os.Geteuid())
	_, errG := unix.SetfsgidRetGid(os.Getegid())
	now, errNow := unix.SetfsuidRetUid(-1)
	return errU == nil && errG == nil && errNow == nil && now == os.Geteuid(), err
}
