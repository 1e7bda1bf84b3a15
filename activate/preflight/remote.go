package preflight

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"fleet/activate/system"
)

// Remote reports whether the process pid was started over the network: its session is a remote one of logind's, or one
// of its ancestors is sshd. The environment tells nothing, since sudo drops SSH_CONNECTION.
func Remote(ctx context.Context, root string, pid int) bool {
	return remoteSession(ctx, root, pid) || sshAncestor(root, pid)
}

func remoteSession(ctx context.Context, root string, pid int) bool {
	id, err := os.ReadFile(fmt.Sprintf("%s/proc/%d/sessionid", root, pid))
	if err != nil || strings.TrimSpace(string(id)) == "4294967295" { // no audit session
		return false
	}
	out, err := system.Output(ctx, "loginctl", "show-session", strings.TrimSpace(string(id)), "-p", "Remote", "--value")
	return err == nil && strings.TrimSpace(out) == "yes"
}

// ancestors bounds the walk, should /proc show a loop.
const ancestors = 64

func sshAncestor(root string, pid int) bool {
	for range ancestors {
		if pid <= 1 {
			return false
		}
		name, parent := process(root, pid)
		if strings.HasPrefix(name, "sshd") { // sshd, and sshd-session since OpenSSH 9.8
			return true
		}
		pid = parent
	}
	return false
}

// process returns the name and the parent of a process from /proc/PID/stat, see proc(5). The name is in parentheses and
// may hold any character, so the last parenthesis ends it.
func process(root string, pid int) (name string, parent int) {
	data, err := os.ReadFile(fmt.Sprintf("%s/proc/%d/stat", root, pid))
	if err != nil {
		return "", 0
	}
	s := string(data)
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return "", 0
	}
	f := strings.Fields(s[end+1:])
	if len(f) < 2 {
		return "", 0
	}
	parent, err = strconv.Atoi(f[1])
	if err != nil {
		return "", 0
	}
	return s[open+1 : end], parent
}

// PID1 returns the name of the process with PID 1.
func PID1(root string) string {
	data, err := os.ReadFile(root + "/proc/1/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
