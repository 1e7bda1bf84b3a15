//go:build bench

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is the user of every proxy.
const nobody = 65534

// lab is where measures find what they need.
type lab struct {
	pairs   int
	gate    string // program
	relay   string // program
	journal *journal
	origin  *origin
	running []*subject
	last    int // number of the last address that was given
	notes   []string
}

func newLab(pairs int) (*lab, error) {
	if err := installed(); err != nil {
		return nil, err
	}
	if err := furnish(); err != nil {
		return nil, err
	}
	if err := limitFiles(); err != nil {
		return nil, err
	}
	l := &lab{pairs: pairs, gate: filepath.Join(work, "fleet-gate"), relay: filepath.Join(work, "plainrelay")}
	for program, from := range map[string]string{l.gate: ".", l.relay: "./internal/bench/plainrelay"} {
		if err := build(program, from); err != nil {
			return nil, err
		}
	}
	var err error
	if l.origin, err = startOrigin(); err != nil {
		return nil, err
	}
	if l.journal, err = startJournal(); err != nil {
		return nil, err
	}
	l.note("\nRecords of the gate went to %s.", l.journal.what)
	return l, nil
}

// installed tells what has to be installed before.
func installed() error {
	var missing []string
	for program, pkg := range map[string]string{"squid": "squid", "tinyproxy": "tinyproxy", "ip": "iproute2"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("there is no %[1]s; on Debian: apt-get install --no-install-recommends %[1]s", strings.Join(missing, " "))
	}
	return nil
}

// limitFiles allows every proxy as many open files as root may have. Two for each end of a thousand tunnels, and four
// for what splices, are some thousands.
func limitFiles() error {
	const least = 16 << 10
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Max < least {
		return fmt.Errorf("the limit of open files must be at least %d, is %d: ulimit -Hn", least, l.Max)
	}
	// Else the Go runtime gives children the limit that it found, and not the one that it has set for itself.
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: l.Max, Max: l.Max})
}

func build(program, from string) error {
	path := "fleet/cmd/fleet-gate/" + strings.TrimPrefix(from, "./")
	out, err := exec.Command("go", "build", "-tags", "bench", "-o", program, strings.TrimSuffix(path, "/.")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// note keeps a line for below the table.
func (l *lab) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// dir makes a folder for a proxy.
func (l *lab) dir(name string) (string, error) {
	l.last++
	dir := filepath.Join(work, fmt.Sprintf("%s-%d", name, l.last))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, os.Chown(dir, nobody, nobody)
}

// address is a new one on loopback.
func (l *lab) address() string {
	l.last++
	return fmt.Sprintf("127.1.%d.%d", l.last/250, l.last%250+1)
}

func (l *lab) stopAll() {
	for _, s := range l.running {
		s.stop()
	}
	l.running = nil
}

// eventually waits for what takes some milliseconds.
func eventually(what string, ok func() bool) error { return poll(what, 5*time.Millisecond, ok) }

// eventuallySoon looks as often as costs little beside what takes milliseconds.
func eventuallySoon(what string, ok func() bool) error { return poll(what, 50*time.Microsecond, ok) }

func poll(what string, pause time.Duration, ok func() bool) error {
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(pause) {
		if time.Now().After(end) {
			return fmt.Errorf("in vain: waited for %s", what)
		}
	}
	return nil
}
