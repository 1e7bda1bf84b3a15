//go:build bench

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	journald = "/lib/systemd/systemd-journald"

	// name is that of a namespace of the journal, see systemd-journald.service(8).
	namespace = "bench"

	sinkName = "sink"
)

// journal takes the records.
type journal struct {
	socket, what string
	pid          int
}

// startJournal starts a journald with a journal of its own on the cage's file system in memory, or where there is none,
// a process that only reads.
func startJournal() (*journal, error) {
	if _, err := os.Stat(journald); err != nil {
		return startSink()
	}
	const config = "/run/systemd/journald@" + namespace + ".conf.d"
	if err := os.MkdirAll(config, 0o755); err != nil {
		return nil, err
	}
	text := "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nRuntimeMaxUse=64M\n"
	if err := os.WriteFile(filepath.Join(config, "bench.conf"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	j := &journal{socket: "/run/systemd/journal." + namespace + "/socket", what: "a systemd-journald of the bench's own"}
	return j, j.start(exec.Command(journald, namespace))
}

func startSink() (*journal, error) {
	j := &journal{socket: filepath.Join(work, "journal"), what: "a process that reads them: this machine has no systemd-journald"}
	return j, j.start(exec.Command("/proc/self/exe", sinkName, j.socket))
}

func (j *journal) start(cmd *exec.Cmd) error {
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	j.pid = cmd.Process.Pid
	return eventually(j.socket, func() bool {
		_, err := os.Stat(j.socket)
		return err == nil && os.Chmod(j.socket, 0o666) == nil
	})
}

// sink reads datagrams and throws them away.
func sink(path string) error {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return fmt.Errorf("read records: %w", err)
		}
	}
}
