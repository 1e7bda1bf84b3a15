//go:build machine

package unit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

// host is a throwaway machine: systemd as PID 1 over a copy of this host's file system that is gone with it, with no
// network but its own lo.
type host struct {
	t      *testing.T
	root   string
	leader string
}

func boot(t *testing.T) *host {
	t.Helper()
	dir := t.TempDir()
	sh(t, "mount", "-t", "tmpfs", "-o", "size=2G", "tmpfs", dir)
	t.Cleanup(func() { sh(t, "umount", dir) })
	root := filepath.Join(dir, "root")
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, "mount", "-t", "overlay", "overlay",
		"-o", "lowerdir=/,upperdir="+dir+"/upper,workdir="+dir+"/work", root)
	t.Cleanup(func() { sh(t, "umount", root) })
	h := &host{t: t, root: root}
	h.start("fleet-unit-" + strconv.Itoa(os.Getpid()))
	return h
}

func (h *host) start(name string) {
	h.t.Helper()
	log, err := os.Create(filepath.Join(filepath.Dir(h.root), "console"))
	if err != nil {
		h.t.Fatal(err)
	}
	c := exec.Command("systemd-nspawn", "-D", h.root, "--private-network", "--register=no", "--keep-unit",
		"--capability=all", "--machine="+name, "--boot")
	c.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	c.Stdout, c.Stderr, c.SysProcAttr = log, log, &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		log.Close()
	})
	children := fmt.Sprintf("/proc/%d/task/%d/children", c.Process.Pid, c.Process.Pid)
	h.until("a leader", func() bool {
		data, _ := os.ReadFile(children)
		h.leader = strings.TrimSpace(string(data))
		return h.leader != "" && !strings.Contains(h.leader, " ")
	})
	h.until("the machine", func() bool {
		out, _ := h.try("systemctl", "is-system-running")
		return out == "running" || out == "degraded"
	})
	h.run("ip", "link", "set", "lo", "up")
}

func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	for range 1200 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.t.Fatalf("%s does not come up", what)
}

// commandLimit is for one command in the machine.
const commandLimit = 90 * time.Second

// try runs a command in the machine and returns its trimmed output, both streams.
func (h *host) try(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "nsenter", append([]string{"-t", h.leader, "-a", "--"}, argv...)...)
	c.WaitDelay = time.Second // nsenter's child keeps the pipe open when nsenter is killed
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (h *host) run(argv ...string) string {
	h.t.Helper()
	out, err := h.try(argv...)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

func (h *host) write(path, text string, mode os.FileMode) {
	h.t.Helper()
	full := filepath.Join(h.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(full, mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(path string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.root, path))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// journal returns what a unit has said.
func (h *host) journal(unit string) string {
	h.t.Helper()
	h.run("journalctl", "--sync")
	return h.run("journalctl", "-u", unit, "-o", "cat", "--no-pager")
}

// anchor stands for the unit that the systemd generator writes.
const anchor = `[Unit]
DefaultDependencies=no
RequiresMountsFor=/var/lib/fleet /etc/fleet
Conflicts=shutdown.target
Before=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
`

// install lays a rendered fleet out as the activator does: files in the store, units where systemd reads them, users
// and folders.
func (h *host) install(m *model.Fleet, tree *artifact.Tree) {
	h.t.Helper()
	if err := Render(m, tree); err != nil {
		h.t.Fatal(err)
	}
	generation := "/etc/fleet/" + m.Project + "/generations/1"
	for f := range tree.All() {
		name, isUnit := strings.CutPrefix(string(f.Path), "units/")
		switch {
		case f.Link != "":
			path := filepath.Join(h.root, "/etc/systemd/system", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				h.t.Fatal(err)
			}
			if err := os.Symlink(f.Link, path); err != nil {
				h.t.Fatal(err)
			}
		case isUnit:
			h.write("/etc/systemd/system/"+name, string(f.Data), 0o644)
		default:
			h.write(f.StorePath(), string(f.Data), f.Mode)
			h.write(generation+"/"+string(f.Path), string(f.Data), f.Mode)
		}
	}
	h.write("/etc/systemd/system/"+string(m.Anchor()), anchor, 0o644)
	h.run("chmod", "0750", "/etc/fleet/"+m.Project)
	h.run("install", "-d", m.RunDir(), m.UnitsDir(), m.StateDir()+"/records", m.StateDir()+"/root",
		m.StateDir()+"/stopped")
	h.run("ln", "-s", generation, m.ActiveDir())
	for i := range m.Agents {
		if m.Agents[i].Enabled {
			h.user(m, &m.Agents[i])
		}
	}
	h.run("systemctl", "daemon-reload")
}

func (h *host) user(m *model.Fleet, a *model.Agent) {
	h.t.Helper()
	id := strconv.Itoa(a.UID)
	h.run("groupadd", "-g", id, a.User)
	h.run("useradd", "-u", id, "-g", id, "-M", "-d", a.Home(), "-s", "/usr/sbin/nologin", "-e", "1", a.User)
	gate := strconv.Itoa(a.GateUID)
	h.run("groupadd", "-g", gate, a.GateUser)
	h.run("useradd", "-u", gate, "-g", gate, "-M", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", "-e", "1", a.GateUser)
	h.run("install", "-d", m.CutDir())
	h.run("install", "-d", "-m", "0750", "-g", a.GateUser, m.GatePolicyDir(a.Key))
	own := []string{"install", "-d", "-m", "0700", "-o", a.User, "-g", a.User}
	h.run("install", "-d", m.AgentRoot(a.Key))
	h.run("install", "-d", "-m", "0750", "-g", a.User, m.AgentRun(a.Key))
	h.run(append(own, a.Home(), m.AgentRecords(a.Key), m.AgentOwn(a.Key))...)
	h.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700,uid="+id+",gid="+id, "fleet", m.AgentOwn(a.Key))
	h.run("install", "-d", m.AgentTerminals(a.Key))
	h.run("mount", "-t", "devpts", "-o", "newinstance,mode=0600,ptmxmode=0666", "fleet", m.AgentTerminals(a.Key))
}

func sh(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}
