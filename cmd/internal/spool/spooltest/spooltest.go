// Package spooltest plays the journal for tests of what writes to it.
package spooltest

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Journal is a journal's socket in a folder of its own, which may be that of the spool too.
type Journal struct {
	Path string

	t    testing.TB
	conn *net.UnixConn
}

// Listen makes a journal.
func Listen(t testing.TB) *Journal {
	t.Helper()
	j := &Journal{t: t, Path: t.TempDir() + "/socket"}
	j.Open()
	return j
}

// Open makes the socket anew, as a journal that was restarted does.
func (j *Journal) Open() {
	j.t.Helper()
	os.Remove(j.Path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.Path, Net: "unixgram"})
	if err != nil {
		j.t.Fatal(err)
	}
	j.conn = c
	j.t.Cleanup(func() { c.Close() })
}

// Close ends the journal; the socket's file stays.
func (j *Journal) Close() { j.conn.Close() }

// Dir is the journal's folder.
func (j *Journal) Dir() string { return filepath.Dir(j.Path) }

// Next reads one entry; nil when none comes within a second.
func (j *Journal) Next() map[string]string {
	j.t.Helper()
	buf := make([]byte, 64<<10)
	_ = j.conn.SetReadDeadline(time.Now().Add(time.Second)) // what fails is the read
	n, err := j.conn.Read(buf)
	if err != nil {
		return nil
	}
	return Decode(j.t, string(buf[:n]))
}

// Drain reads entries until the journal is closed, and forgets them.
func (j *Journal) Drain() {
	_ = j.conn.SetReadDeadline(time.Time{})
	for buf := make([]byte, 64<<10); ; {
		if _, err := j.conn.Read(buf); err != nil {
			return
		}
	}
}

// Left is what is in the files of a spool in the journal's folder.
func (j *Journal) Left() string {
	j.t.Helper()
	all := ""
	for i := range 2 {
		b, err := os.ReadFile(filepath.Join(j.Dir(), fmt.Sprintf("audit.%d", i)))
		if err != nil {
			j.t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

// Decode reads an entry of the native protocol as its page describes it.
func Decode(t testing.TB, s string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for s != "" {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok {
			t.Fatalf("entry ends in %q", s)
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			n := binary.LittleEndian.Uint64([]byte(rest[:8]))
			value, rest = rest[8:8+n], rest[8+n+1:]
		}
		out[name], s = value, rest
	}
	return out
}
