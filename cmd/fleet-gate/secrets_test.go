package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fleet/cmd/internal/daemon"
	"fleet/schemas/policy"
)

const canary = "canary-value-of-a-secret"

// guarded is a host whose policy has a secret, and the folder with its value.
func guarded(t *testing.T) (*host, string) {
	t.Helper()
	h := newHost(t)
	h.policy.Secrets = []policy.Secret{{
		Name: "TOKEN", Placeholder: "fleet-placeholder-TOKEN-0123", Hosts: []string{"listed.example"}, Ports: []int{443}, Bearer: true,
	}}
	h.write()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "TOKEN"), []byte(canary+"\n"), 0o400))
	return h, dir
}

// F17: without its secrets a gate does not start, and says which and what to do.
func TestCATF17NoSecretNoGate(t *testing.T) {
	for want, change := range map[string]func(dir string){
		"secret TOKEN is missing; sudo fleet secret set TOKEN": func(dir string) { os.Remove(filepath.Join(dir, "TOKEN")) },
		"must have 8 bytes at least":                           func(dir string) { write(dir, "short") },
		"must have no control character":                       func(dir string) { write(dir, canary+"\r\nX: y") },
	} {
		h, dir := guarded(t)
		change(dir)
		h.run("--credentials", dir)
		if code := h.Exit(); code != 1 || !strings.Contains(h.Stderr.String(), want) || strings.Contains(h.Stderr.String(), canary) {
			t.Errorf("exit %d: %s", code, h.Stderr.String())
		}
	}
	h, _ := guarded(t)
	h.run()
	if code := h.Exit(); code != 1 || !strings.Contains(h.Stderr.String(), "CREDENTIALS_DIRECTORY") {
		t.Errorf("no folder: exit %d: %s", code, h.Stderr.String())
	}
}

func write(dir, value string) {
	os.Chmod(filepath.Join(dir, "TOKEN"), 0o600)
	os.WriteFile(filepath.Join(dir, "TOKEN"), []byte(value), 0o400)
}

// F16, F17, F20: a policy with a secret that is not loaded is refused whole, a changed file is not read again, and
// neither environment, arguments nor what the gate writes has the value.
func TestSecretsLoadedOnce(t *testing.T) {
	h, dir := guarded(t)
	h.Env = []string{"CREDENTIALS_DIRECTORY=" + dir}
	h.run()
	h.Said("READY=1", "STATUS=mode enforce, 2 rules allow, 0 deny, 1 secrets")
	write(dir, "short")

	h.policy.Secrets = append(h.policy.Secrets, policy.Secret{
		Name: "LATER", Placeholder: "fleet-placeholder-LATER-0123", Hosts: []string{"listed.example"}, Ports: []int{443}, Bearer: true,
	})
	h.policy.Deny = []policy.Denial{{Name: "no", Host: "elsewhere.example"}}
	h.write()
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("READY=1", "STATUS=policy cannot be read, the one before stays in force")
	h.complained("LATER was not there when the gate was started; a restart")
	h.policy.Secrets = h.policy.Secrets[:1]
	h.write()
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("READY=1", "STATUS=mode enforce, 2 rules allow, 1 deny, 1 secrets")

	proc := fmt.Sprintf("/proc/%d/", h.Cmd.Process.Pid)
	for _, name := range []string{"environ", "cmdline"} {
		if b, err := os.ReadFile(proc + name); err == nil && strings.Contains(string(b), canary) {
			t.Errorf("%s has the value", name)
		}
	}
	b, err := os.ReadFile(proc + "limits")
	check(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			t.Error(line)
		}
	}
	h.Cmd.Process.Signal(syscall.SIGQUIT) // a trace of all goroutines
	h.Exit()
	files, _ := filepath.Glob(h.Dir + "/*")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), canary) {
			t.Errorf("%s has the value", name)
		}
	}
	if strings.Contains(h.Stderr.String(), canary) || !strings.Contains(h.Stderr.String(), "goroutine") {
		t.Errorf("a trace: %.300s", h.Stderr.String())
	}
}

// hardened plays a process that has hardened itself.
func hardened() {
	if err := daemon.Harden(); err != nil {
		fmt.Println(err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var l unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_CORE, &l)
	fmt.Println(dumpable, err, l.Cur, l.Max)
	os.Exit(0)
}

// F16: no core dump, and no other process looks into the memory.
func TestCATF16Hardened(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"TEST_HARDEN=1"}
	out, err := cmd.Output()
	if err != nil || string(out) != "0 <nil> 0 0\n" {
		t.Errorf("got %q, %v", out, err)
	}
}
