//go:build machine

package terminal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"fleet/activate/terminal"
)

// The test binary is also the command in the pane, and the process that shows, which must have the screen as its
// controlling terminal.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "relay":
		err = terminal.Relay(os.Args[2], os.Stdin, os.Stdout)
	case len(os.Args) == 4 && os.Args[1] == "show":
		err = showMain(os.Args[2], os.Args[3] == "true")
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// showMain shows the master on descriptor 3 until descriptor 4 ends. Exit status 9 says that the person left.
func showMain(folder string, readOnly bool) error {
	operator, err := terminal.ThisOperator(os.Getenv)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { io.Copy(io.Discard, os.NewFile(4, "ended")); close(ended) }()
	v := terminal.View{
		Title: "demo/lead", ReadOnly: readOnly, Operator: operator, Relay: []string{self, "relay"},
		Terminal: os.Stdin, Folder: folder,
	}
	left, err := terminal.Show(context.Background(), &terminal.Pair{Master: os.NewFile(3, "ptmx")}, v, ended)
	if err == nil && left {
		os.Exit(9)
	}
	return err
}

// screen is the person's terminal: it records every byte that reaches it.
type screen struct {
	master, tty *os.File
	mu          sync.Mutex
	got         bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 100})
	s := &screen{master: master, tty: tty}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.got.Write(b[:n])
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { master.Close(); tty.Close() })
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func (s *screen) wait(t *testing.T, what string) {
	t.Helper()
	for range 100 {
		if strings.Contains(s.text(), what) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%q did not appear; got %q", what, s.text())
}

type show struct {
	*screen
	done chan error
}

// start shows a shell command that runs on a pseudo-terminal of its own.
func start(t *testing.T, script string, readOnly bool) *show {
	t.Helper()
	s := &show{screen: newScreen(t), done: make(chan error, 1)}
	pair, err := terminal.Open(s.tty)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	program := onTerminal(t, fmt.Sprintf("/dev/pts/%d", pair.Number), "/bin/sh", "-c", script)
	ended, endNow, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { program.Wait(); endNow.Close() }()
	folder := openFolder(t)
	self := filepath.Join(folder, "fleet")
	if err := exec.Command("cp", "/proc/"+fmt.Sprint(os.Getpid())+"/exe", self).Run(); err != nil {
		t.Fatal(err)
	}
	viewer := onTerminal(t, s.tty.Name(), self, "show", folder, fmt.Sprint(readOnly), pair.Master, ended)
	go func() { s.done <- viewer.Wait() }()
	return s
}

// openFolder is a folder of root's that all may enter, as /run is.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "fleet-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// As sudo calls it, the view runs with the rights of the person behind sudo.
func TestViewRunsAsCaller(t *testing.T) {
	t.Setenv("SUDO_UID", "65534")
	s := start(t, `echo ready; read -r l; echo "got <$l>"; sleep 30`, false)
	s.wait(t, "ready")
	out, err := exec.Command("/usr/bin/pgrep", "-u", "65534", "tmux").Output()
	if err != nil || len(out) == 0 {
		t.Errorf("no tmux of the caller's: %v", err)
	}
	s.master.WriteString("hello\r")
	s.wait(t, "got <hello>")
	s.master.WriteString("\x1d")
	s.end(t, true)
}

// onTerminal runs a command that has a terminal as its controlling one. Files among its arguments become descriptors 3
// and up.
func onTerminal(t *testing.T, tty, name string, args ...any) *exec.Cmd {
	t.Helper()
	f, err := os.OpenFile(tty, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(name)
	for _, a := range args {
		if file, ok := a.(*os.File); ok {
			cmd.ExtraFiles = append(cmd.ExtraFiles, file)
			continue
		}
		cmd.Args = append(cmd.Args, a.(string))
	}
	cmd.Env = []string{"TERM=xterm-256color", "PATH=/usr/bin:/bin", "SUDO_UID=" + os.Getenv("SUDO_UID")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd
}

func (s *show) end(t *testing.T, wantLeft bool) {
	t.Helper()
	select {
	case err := <-s.done:
		var exit *exec.ExitError
		left := errors.As(err, &exit) && exit.ExitCode() == 9
		if left != wantLeft || err != nil && !left {
			t.Errorf("left = %v, want %v: %v\n%q", left, wantLeft, err, s.text())
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the view did not end; got %q", s.text())
	}
}

// EGR-E31: escape sequences of an agent do not reach the terminal of the person who looks.
func TestE31HostileTerminal(t *testing.T) {
	hostile := map[string]string{
		"clipboard":   `\033]52;c;SFVTSA==\007`,
		"title":       `\033]2;EVILTITLE\007`,
		"old title":   `\033kEVILTITLE\033\\`,
		"passthrough": `\033Ptmux;\033\033]2;EVILTITLE\007\033\\`,
		"link":        `\033]8;;http://EVILTITLE.example\033\\text\033]8;;\033\\`,
		"bell":        `\007\007`,
		"device":      `\033]50;EVILTITLE\007\033]777;notify;EVILTITLE;x\007\033]9;EVILTITLE\007`,
		"answerback":  `\005\033[c\033[>q\033[21t`,
		"palette":     `\033]4;1;rgb:11/22/33\007\033]10;#112233\007`,
		"iterm":       `\033]1337;File=inline=1:SFVTSA==\007`,
		"control":     `\033P1000pEVILTITLE\033\\`,
		"printer":     `\033[5iEVILPRINT\033[4i`,
	}
	script := "sleep 1; "
	for _, s := range hostile {
		script += "printf '" + s + "'; "
	}
	s := start(t, script+"printf '\\nall sent\\n'; sleep 30", false)
	s.wait(t, "all sent")
	s.master.WriteString("\x1d")
	s.end(t, true)
	got := s.text()
	for _, bad := range []string{"\x1b]52", "\x1b]2;", "\x1bk", "EVILTITLE", "SFVTSA", "\a", "\x1b]8;", "\x1b]4;", "\x1b[5i", "\x05", "\x1bP1000p"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q reached the terminal: %q", bad, got)
		}
	}
}

func TestInputAndInterrupt(t *testing.T) {
	s := start(t, `trap 'echo INTERRUPTED' INT; stty size; while :; do read -r l && echo "got <$l>"; done`, false)
	s.wait(t, "29 100")
	s.master.WriteString("hello\r")
	s.wait(t, "got <hello>")
	s.master.WriteString("\x03")
	s.wait(t, "INTERRUPTED")
	s.master.WriteString("\x1d")
	s.end(t, true)
}

func TestReadOnlyDropsInput(t *testing.T) {
	s := start(t, `echo ready; read -r l; echo "got <$l>"; sleep 30`, true)
	s.wait(t, "ready")
	s.wait(t, "read-only")
	s.master.WriteString("hello\r")
	time.Sleep(500 * time.Millisecond)
	if strings.Contains(s.text(), "got <") {
		t.Errorf("input reached the agent: %q", s.text())
	}
	s.master.WriteString("\x1d")
	s.end(t, true)
}

func TestSizeFollows(t *testing.T) {
	s := start(t, `trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done`, false)
	s.wait(t, "ready")
	pty.Setsize(s.master, &pty.Winsize{Rows: 40, Cols: 120})
	s.wait(t, "39 120")
	s.master.WriteString("\x1d")
	s.end(t, true)
}

func TestEndOfProgram(t *testing.T) {
	s := start(t, `echo ready; sleep 1`, false)
	s.wait(t, "ready")
	s.end(t, false)
}
