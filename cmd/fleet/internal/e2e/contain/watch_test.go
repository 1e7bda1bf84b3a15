//go:build machine

package contain

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The watcher looks at every process of the machine, all the time, and writes down those of an agent's user that are not
// in a unit of this agent, and those of its gate's user that are not in the gate's.
const (
	watchLog   = "/run/watch.log"
	watchEvery = 5 * time.Millisecond
)

func watchMain([]string) {
	log, err := os.OpenFile(watchLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	users := map[string]string{}
	passwd, err := os.ReadFile("/etc/passwd")
	must(err)
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); strings.HasPrefix(f[0], "demo-") {
			users[f[2]] = strings.TrimPrefix(f[0], "demo-")
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

// stray describes a process that is where it must not be. The real number counts: PID 1 has the effective one of a user for
// a moment before it asks PAM.
func stray(dir string, users map[string]string) string {
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(status), "\nUid:\t")
	uid, _, _ := strings.Cut(rest, "\t")
	key, ours := users[uid]
	if !ours {
		return ""
	}
	group, err := os.ReadFile(dir + "/cgroup")
	if err != nil {
		return "" // it has ended
	}
	_, path, _ := strings.Cut(strings.TrimSpace(string(group)), "::")
	// Of a unit that has just ended the group is gone before its dead processes are.
	path = strings.TrimSuffix(path, " (deleted)")
	if strings.HasSuffix(key, "-gate") && path == "/fleet.slice/fleet-demo_gates.slice/fleet-demo-"+key+".service" {
		return ""
	}
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
	want := fmt.Sprintf("watching %d\n", 2*len(agents)+2) // with their gates, and the chat with its own
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
