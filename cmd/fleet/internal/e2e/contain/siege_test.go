//go:build machine

package contain

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defy makes a process that only SIGKILL ends.
func defy() { signal.Ignore() }

// siege does all at once: it ignores signals, forks without end, fills what it can write and holds ports.
func siege([]string) {
	defy()
	for range 4 { // processes at a time: this kernel's machine has no limit of tasks
		if _, err := detach("fork-on"); err != nil {
			fmt.Println(err)
		}
	}
	own, key := os.Getenv("HOME"), os.Getenv("FLEET_AGENT")
	for _, dir := range []string{own, "/run/fleet/demo/" + key + "/own", "/tmp", "/var/tmp", "/dev/shm"} {
		go fill(dir)
	}
	go hold()
	time.Sleep(3 * time.Second)
	report(filepath.Join("/run/fleet/demo", key, "own", "besieged"), "yes")
	fmt.Println("the siege stands")
	select {}
}

// forkOn is a chain: each process starts the next one and ends.
func forkOn([]string) {
	defy()
	time.Sleep(5 * time.Millisecond)
	if _, err := detach("fork-on"); err != nil {
		time.Sleep(100 * time.Millisecond)
		_, _ = detach("fork-on")
	}
}

// fill writes until nothing is left, and again when something is.
func fill(dir string) {
	chunk := make([]byte, 1<<16)
	for n := 0; ; n++ {
		f, err := os.Create(filepath.Join(dir, "fill-"+strconv.Itoa(n%1000)))
		for err == nil {
			_, err = f.Write(chunk)
		}
		if f != nil {
			f.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// holdTerminals takes every pseudo-terminal that it gets.
func holdTerminals([]string) {
	defy()
	var held []*os.File
	for {
		f, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
		if err != nil {
			break
		}
		held = append(held, f)
		if len(held)%1000 == 0 { // a process has so many files
			_, _ = detach("hold-terminals")
			break
		}
	}
	report(filepath.Join("/run/fleet/demo", os.Getenv("FLEET_AGENT"), "own", "besieged"), len(held))
	for {
		time.Sleep(time.Hour)
		runtime.KeepAlive(held)
	}
}

// fillRecords fills the file system that its records are on.
func fillRecords([]string) { fill("/var/lib/fleet/demo/records/" + os.Getenv("FLEET_AGENT")) }

// hold holds every port that it gets, up to half of its files.
func hold() {
	var held []net.Listener
	for port := 1024; len(held) < 2000 && port < 1<<16; port++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			held = append(held, l)
		}
	}
	select {}
}

// killOthers kills what proves the walls of its user's units: the script, which it sees, and the probe, which the kernel
// hides from it, by every number that may be its.
func killOthers([]string) {
	defy()
	for base := os.Getpid(); ; {
		for pid := base; pid < base+3000; pid++ {
			command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err != nil || strings.Contains(string(command), "-assert\x00") {
				unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

// lockOut closes its own folders and puts into them what cannot be written over, so that nothing can start there.
func lockOut([]string) {
	defy()
	home, key := os.Getenv("HOME"), os.Getenv("FLEET_AGENT")
	own, records := "/run/fleet/demo/"+key+"/own", "/var/lib/fleet/demo/records/"+key
	dirs := []string{home, own, records}
	at := make([]int, len(dirs))
	for i, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
		must(err)
		at[i] = fd
	}
	for told := false; ; {
		for _, dir := range dirs {
			must(os.Chmod(dir, 0o700))
		}
		for i, name := range []string{"beat", "status", "lock", "session", "problem", "status.new", "outcome", "exit", "prompt", "tmux"} {
			path := filepath.Join(own, name)
			os.RemoveAll(path)
			switch i % 3 {
			case 0:
				os.MkdirAll(filepath.Join(path, "deep"), 0o700)
				os.Chmod(path, 0)
			case 1:
				unix.Mkfifo(path, 0)
			case 2:
				os.WriteFile(path, nil, 0)
			}
		}
		for _, name := range []string{"number", "queue", "sessions.jsonl", "sessions", "jobs"} {
			path := filepath.Join(records, name)
			os.RemoveAll(path)
			os.MkdirAll(filepath.Join(path, "deep"), 0o700)
			os.Chmod(path, 0)
		}
		if !told {
			told = true
			report(filepath.Join(own, "besieged"), "yes")
		}
		for _, dir := range dirs {
			must(os.Chmod(dir, 0))
		}
		time.Sleep(time.Millisecond)
	}
}

// forget makes room after a siege.
func forget([]string) {
	home, key := os.Getenv("HOME"), os.Getenv("FLEET_AGENT")
	for _, dir := range []string{home, "/var/lib/fleet/demo/records/" + key, "/run/fleet/demo/" + key + "/own"} {
		left, _ := filepath.Glob(dir + "/fill-*")
		for _, path := range append(left, filepath.Join(dir, "besieged")) {
			os.Remove(path)
		}
	}
	report(filepath.Join(home, "seen", "forget"), "done")
}

// litter leaves in its home what leads astray whoever counts or removes it: links out, pipes, names like options, a file
// that only looks huge, and folders deeper than any path can name.
func litter([]string) {
	home := os.Getenv("HOME")
	must(os.Chdir(home))
	for name, target := range map[string]string{"etc": "/etc", "root": "/root", "up": "../..", "dev": "/dev/zero", "loop": "loop"} {
		must(os.Symlink(target, name))
	}
	for _, name := range []string{"-rf", "--help", "$(touch made)", "a\nb", "\x1b]0;pwned\x07", strings.Repeat("x", 255)} {
		must(os.WriteFile(name, nil, 0))
	}
	must(unix.Mkfifo("pipe", 0o666))
	must(os.WriteFile("huge", nil, 0o600))
	must(os.Truncate("huge", 1<<40))
	must(os.Mkdir("closed", 0o700))
	must(os.WriteFile("closed/file", nil, 0o600))
	must(os.Chmod("closed", 0))
	for range 10000 {
		must(syscall.Mkdir("deeper-and-deeper", 0o700))
		must(syscall.Chdir("deeper-and-deeper"))
	}
	report(filepath.Join(home, "seen", "litter"), "left")
}
