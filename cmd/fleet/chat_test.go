package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/cmd/internal/chatctl"
)

// Why a chat cannot be reached is told with what to do about it.
func TestUnreachable(t *testing.T) {
	units, none := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(units, "fleet-demo-chat.socket"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(err error) *chatctl.Unreachable {
		return &chatctl.Unreachable{Socket: "/run/fleet/demo/chat.sock", Err: &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", err)}}
	}
	for name, one := range map[string]struct {
		err     error
		project string
		units   string
		says    []string
	}{
		"no chat":        {syscall.ENOENT, "demo", none, []string{"coordination.backend is none", "hint: set coordination.backend"}},
		"stopped":        {syscall.ENOENT, "demo", units, []string{"is not running", "no such file", "sudo systemctl start fleet-demo-chat.socket"}},
		"nobody listens": {syscall.ECONNREFUSED, "demo", units, []string{"is not running", "connection refused"}},
		"not allowed":    {syscall.EACCES, "demo", none, []string{"only root and the group fleet-operators", "sudo usermod -aG fleet-operators "}},
		"named":          {syscall.ENOENT, "", none, []string{"no chat at /run/fleet/demo/chat.sock: no such file or directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := unreachable(at(one.err), one.project, one.units).Error()
			for _, want := range one.says {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
		})
	}
	if status := statusOf((&talk{}).fault(at(fs.ErrNotExist))); status != exitRefused {
		t.Errorf("exit status %d", status)
	}
	if status := statusOf((&talk{}).fault(chatctl.Refused("no"))); status != exitRefused {
		t.Errorf("exit status %d", status)
	}
}

func TestTaskNumber(t *testing.T) {
	for text, want := range map[string]int64{
		"7": 7, "#7": 7, "task-7": 7, "9223372036854775807": 9223372036854775807,
		"": 0, "0": 0, "-7": 0, "07": 0, "+7": 0, "seven": 0, "task-": 0, "7 ": 0, "9223372036854775808": 0, "message-7": 0,
	} {
		if got, err := taskNumber(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}
