//go:build linux

package runner

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/session"
)

// host is a folder in which the scripts of a fleet lie and run as the test's own user, with every path of a real host
// below it.
type host struct {
	t    *testing.T
	dir  string
	tree *artifact.Tree
	path string // PATH of what runs
	m    *model.Fleet
}

func newHost(t *testing.T, m *model.Fleet) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), tree: render(t, m), m: m}
	h.path = h.at("/bin") + ":/usr/bin:/bin"
	for _, dir := range []string{"/bin", artifact.StoreDir, m.StateDir() + "/stopped", "/etc/fleet", "/home", "/fake"} {
		h.mkdir(dir)
	}
	for f := range h.tree.All() {
		h.write(f.StorePath(), h.moved(string(f.Data)))
	}
	for i := range m.Agents {
		a := &m.Agents[i]
		for _, dir := range []string{a.Home(), m.AgentOwn(a.Key), m.AgentRun(a.Key) + "/queue", m.AgentRecords(a.Key), m.WakeDir(a.Key)} {
			h.mkdir(dir)
		}
	}
	h.write("/etc/fleet/instructions.md", "Be kind.\n")
	h.write(model.InsideChat, fakeTool)
	return h
}

// moved puts the paths of a real host below the folder.
func (h *host) moved(text string) string {
	return strings.NewReplacer("/var/lib/fleet", h.dir+"/var/lib/fleet", "/run/fleet", h.dir+"/run/fleet", "/home", h.dir+"/home",
		"/etc/fleet", h.dir+"/etc/fleet", "PATH=/usr/sbin", "PATH="+h.dir+"/bin:/usr/sbin").Replace(text)
}

func (h *host) at(path string) string { return filepath.Join(h.dir, path) }

func (h *host) mkdir(path string) {
	h.t.Helper()
	if err := os.MkdirAll(h.at(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) write(path, text string) {
	h.t.Helper()
	h.mkdir(filepath.Dir(path))
	// A process that another test forks meanwhile would hold the file open, and running it would fail: text file busy.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(h.at(path), []byte(text), 0o700); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(path string) string {
	h.t.Helper()
	b, err := os.ReadFile(h.at(path))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

func (h *host) exists(path string) bool {
	_, err := os.Lstat(h.at(path))
	return err == nil
}

func (h *host) own(name string) string     { return h.m.AgentOwn(h.m.Agents[0].Key) + "/" + name }
func (h *host) records(name string) string { return h.m.AgentRecords(h.m.Agents[0].Key) + "/" + name }

// command is a script of the first agent.
func (h *host) command(name string, args ...string) *exec.Cmd {
	h.t.Helper()
	p := artifact.Path(h.m.Agents[0].File(name))
	if strings.HasPrefix(name, "libexec/") {
		p = artifact.Path(name)
	}
	e, ok := h.tree.Entry(p)
	if !ok {
		h.t.Fatalf("no %s", p)
	}
	cmd := exec.Command(h.at(e.StorePath()), args...)
	cmd.Env = []string{
		"FAKE=" + h.at("/fake"), "PATH=" + h.path, "HOME=" + h.at(h.m.Agents[0].Home()), "LANG=C.UTF-8", "TERM=dumb",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
	}
	cmd.Dir = h.dir
	return cmd
}

// process is a runner that runs.
type process struct {
	*host
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan struct{}
}

func (h *host) start() *process {
	h.t.Helper()
	p := &process{host: h, cmd: h.command("run"), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() //nolint:errcheck // the tests look at ProcessState
		close(p.done)
	}()
	h.t.Cleanup(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)                    //nolint:errcheck // it may be gone
		exec.Command("tmux", "-S", h.at(h.own("tmux")), "kill-server").Run() //nolint:errcheck // there may be none
	})
	return p
}

// until waits for a condition.
func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	for range 300 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatalf("not in 30 s: %s\n%s", what, p.out.String())
}

// stop ends it as systemd does, which signals the runner alone, and returns its exit status.
func (p *process) stop() int {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	return p.ended()
}

func (p *process) ended() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the runner has not ended in 30 s\n%s", p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (h *host) sessions() []session.Record {
	b, _ := os.ReadFile(h.at(h.records(session.RecordsFile)))
	return session.All(b)
}

func (h *host) now() session.Now {
	b, _ := os.ReadFile(h.at(h.own(session.NowFile)))
	now, _ := session.ParseNow(b)
	return now
}
