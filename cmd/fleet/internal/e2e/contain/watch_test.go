//go:build machine

package contain

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The watcher looks at every process of the machine, all the time, and writes down those of an agent's user that are not
// in a unit of this agent.
const (
	watchLog   = "/run/watch.log"
	watchEvery = 3 * time.Millisecond
)

func watchMain([]string) {
	log, err := os.OpenFile(watchLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	users := map[uint32]string{}
	passwd, err := os.ReadFile("/etc/passwd")
	must(err)
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); strings.HasPrefix(f[0], "demo-") {
			uid, err := strconv.Atoi(f[2])
			must(err)
			users[uint32(uid)] = strings.TrimPrefix(f[0], "demo-")
		}
	}
	told := map[string]bool{}
	fmt.Fprintln(log, "watching", len(users))
	for ; ; time.Sleep(watchEvery) {
		entries, err := os.ReadDir("/proc")
		must(err)
		for _, e := range entries {
			if _, err := strconv.Atoi(e.Name()); err != nil {
				continue
			}
			if what := stray("/proc/"+e.Name(), users); what != "" && !told[what] {
				told[what] = true
				fmt.Fprintln(log, what)
			}
		}
	}
}

// stray describes a process that is where it must not be.
func stray(dir string, users map[uint32]string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	key, ours := users[info.Sys().(*syscall.Stat_t).Uid]
	if !ours {
		return ""
	}
	group, err := os.ReadFile(dir + "/cgroup")
	if err != nil {
		return "" // it has ended
	}
	_, path, _ := strings.Cut(strings.TrimSpace(string(group)), "::")
	unit, _, _ := strings.Cut(strings.TrimPrefix(path, "/fleet.slice/fleet-demo.slice/"), "/")
	for _, form := range []string{"fleet-demo-%s.service", "fleet-demo-%s-attach@*.service", "fleet-demo-%s-job-*.service", "fleet-demo-%s-probe.service"} {
		if ok, _ := filepath.Match(fmt.Sprintf(form, key), unit); ok {
			return ""
		}
	}
	command, _ := os.ReadFile(dir + "/cmdline")
	return fmt.Sprintf("a process of %s is in %s: %q", key, path, command)
}

// startWatch has the machine watched until its end.
func (f *fleet) startWatch() {
	f.t.Helper()
	f.MustRun("systemd-run", "-q", "--unit=watch", program, "watch")
	want := fmt.Sprintf("watching %d\n", len(agents))
	f.Eventually("the watcher", 10*time.Second, func() error {
		if text, _ := f.Try("cat", watchLog); text != want {
			return fmt.Errorf("it says %q", text)
		}
		return nil
	})
	f.Sh("truncate -s 0 " + watchLog)
}

// strays returns what the watcher has seen since it was asked last.
func (f *fleet) strays() string {
	f.t.Helper()
	if state := f.Show("watch.service", "ActiveState")["ActiveState"]; state != "active" {
		f.t.Errorf("the watcher is %s", state)
	}
	text := f.ReadFile(watchLog)
	f.Sh("truncate -s 0 " + watchLog)
	return text
}
