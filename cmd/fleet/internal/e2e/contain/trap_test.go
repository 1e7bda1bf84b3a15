//go:build machine

package contain

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// escapes is what an operator's terminal must never get: a title, a cleared screen, the clipboard, a command to tmux, C1
// controls, text that is written the other way round, and a line that looks like a message of ours.
const escapes = "\x1b]0;pwned\x07\x1b[2J\x1b]52;c;cHduZWQ=\x07\x1bPtmux;\x1b\x1b]0;pwned\x07\x1b\\\x9b31m\u009b31m\u202epwned\r\x08\x00ALERT pwned"

// trapped are the names that root's tools look at.
func trapped() (own, records []string) {
	run, kept := "/run/fleet/demo/"+os.Getenv("FLEET_AGENT")+"/own/", "/var/lib/fleet/demo/records/"+os.Getenv("FLEET_AGENT")+"/"
	for _, name := range []string{"beat", "status", "session", "problem", "tmux", "turn", "exit", "outcome"} {
		own = append(own, run+name)
	}
	for _, name := range []string{"sessions.jsonl", "queue", "number", "sessions/1.log", "jobs"} {
		records = append(records, kept+name)
	}
	return own, records
}

// traps are what the agent puts at such a name, by the name of the kind.
var traps = map[string]func(path string) error{
	"link to a secret": func(path string) error { return os.Symlink("/root/secret", path) },
	"link to a device": func(path string) error { return os.Symlink("/dev/zero", path) },
	"link to nothing":  func(path string) error { return os.Symlink("/etc/cron.d/contain-made", path) },
	"link to itself":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
	"link with escapes": func(path string) error {
		return os.Symlink(strings.ReplaceAll(escapes, "\x00", ""), path)
	},
	"FIFO":   func(path string) error { return unix.Mkfifo(path, 0o666) },
	"socket": func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o666, 0) },
	"folder": func(path string) error {
		return orElse(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "-rf"), nil, 0o600))
	},
	"closed folder": func(path string) error { return os.Mkdir(path, 0) },
	"huge file": func(path string) error {
		return orElse(os.WriteFile(path, []byte("1\n"), 0o600), os.Truncate(path, 1<<40))
	},
	"a long line":       func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("9", 1<<16)), 0o600) },
	"text with escapes": func(path string) error { return os.WriteFile(path, []byte(escapeText(path)), 0o600) },
	"of the future": func(path string) error {
		then := time.Now().AddDate(50, 0, 0)
		return orElse(os.WriteFile(path, []byte("pausing 1 99999999999 ok\n"), 0o600), os.Chtimes(path, then, then))
	},
	"of the past": func(path string) error {
		return orElse(os.WriteFile(path, []byte("working 1 0 ok\n"), 0o600), os.Chtimes(path, time.Unix(-1, 0), time.Unix(-1, 0)))
	},
}

// escapeText puts escapes into every field that a file of this name has.
func escapeText(path string) string {
	quoted := fmt.Sprintf("%q", escapes) // as Go writes it, which JSON reads but for \x
	json := strings.NewReplacer(`\x1b`, `\u001b`, `\x07`, `\u0007`, `\x9b`, `\u009b`, `\x00`, `\u0000`, `\a`, `\u0007`, `\b`, `\u0008`).Replace(quoted)
	switch filepath.Base(path) {
	case "sessions.jsonl":
		line := `{"n":7,"kind":"job","job":%s,"start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:01:00Z","result":%s,"exit":0}` + "\n"
		good := strings.Replace(line, `"job":%s`, `"job":"x"`, 1)
		return fmt.Sprintf(line, json, json) + fmt.Sprintf(good, json) + escapes + "\n" +
			`{"n":1,"kind":"session","start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:01:00Z","result":"ok","exit":0}` + "\n"
	case "status":
		return "working 5 1 " + escapes + "\n"
	}
	return escapes + "\n" + escapes
}

// plant sets the trap that a file in its home names, and again and again at the names that its runner writes to, so that
// it also races with whoever looks.
func plant([]string) {
	home := os.Getenv("HOME")
	own, records := trapped()
	for done := ""; ; time.Sleep(2 * time.Millisecond) {
		kind, _ := os.ReadFile(filepath.Join(home, "trap"))
		set, known := traps[string(kind)]
		if !known {
			continue
		}
		var failed []string
		for _, path := range append(own, records...) {
			again := filepath.Base(path) == "sessions.jsonl" || filepath.Base(path) == "status"
			if !again && done == string(kind) {
				continue
			}
			if err := put(path, set); err != nil {
				failed = append(failed, fmt.Sprint(path, ": ", err))
			}
		}
		if done != string(kind) {
			done = string(kind)
			report(filepath.Join(home, "seen", "trap"), failed)
		}
	}
}

// put has set make something and puts it at path in one step, whatever is there.
func put(path string, set func(string) error) error {
	aside := path + "-aside"
	os.Chmod(aside, 0o700)
	if err := orElse(os.RemoveAll(aside), set(aside)); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE); err != nil {
		return os.Rename(aside, path) // nothing is there
	}
	os.Chmod(aside, 0o700)
	return os.RemoveAll(aside)
}

// fakeTmux stands where the agent's tmux listens. It writes down which user connects, and answers with all that it has.
func fakeTmux([]string) {
	path := "/run/fleet/demo/" + os.Getenv("FLEET_AGENT") + "/own/tmux"
	must(os.RemoveAll(path))
	l, err := net.Listen("unix", path)
	must(err)
	log, err := os.OpenFile(filepath.Join(os.Getenv("HOME"), "peers"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	fmt.Fprintln(log, "ready")
	for {
		c, err := l.Accept()
		must(err)
		raw, err := c.(*net.UnixConn).SyscallConn()
		must(err)
		must(raw.Control(func(fd uintptr) {
			if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				fmt.Fprintln(log, "uid", peer.Uid)
			}
		}))
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			c.Write([]byte(strings.Repeat(escapes, 50)))
			c.Read(make([]byte, 1<<16))
			time.Sleep(time.Second)
		}()
	}
}

// evilTmux is a real tmux server that passes everything through and prints escapes for ever.
func evilTmux([]string) {
	path := "/run/fleet/demo/" + os.Getenv("FLEET_AGENT") + "/own/tmux"
	must(os.RemoveAll(path))
	conf := filepath.Join(os.Getenv("HOME"), "evil.conf")
	must(os.WriteFile(conf, []byte("set -s set-clipboard on\nset -g allow-passthrough on\nset -g set-titles on\nset -g set-titles-string 'pwned'\n"+
		"set -g status-left 'pwned'\nset -as terminal-features '*:clipboard:title'\n"), 0o600))
	c := exec.Command("tmux", "-S", path, "-f", conf, "new-session", "-d", "-x", "80", "-y", "24",
		"while :; do printf '\\033]0;pwned\\007\\033]52;c;cHduZWQ=\\007\\033Ptmux;\\033\\033]52;c;cHduZWQ=\\007\\033\\\\shown\\n'; sleep 0.2; done")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := c.CombinedOutput()
	report(filepath.Join(os.Getenv("HOME"), "seen", "evil"), fmt.Sprintf("%s%v", out, err))
	select {}
}
