package preflight

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"fleet/schemas/report"
)

// searchPath is where the activator and the scripts on a host look for programs.
var searchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// agentPath is PATH of an agent's unit.
var agentPath = []string{"/usr/local/bin", "/usr/bin", "/bin"}

// needed are the programs that a generation runs by, with Debian's packages.
var needed = []struct{ program, debian string }{
	{"nft", "nftables"},
	{"visudo", "sudo"},
	{"tmux", "tmux"},
	{"flock", "util-linux"},
	{"setpriv", "util-linux"},
	{"sha256sum", "coreutils"},
	{"usermod", "passwd"},
	{"systemd-sysusers", "systemd"},
	{"systemd-tmpfiles", "systemd"},
	{"systemd-analyze", "systemd"},
}

func programs(q Question, r *report.Report) {
	for _, n := range needed {
		if _, ok := find(q.Root, searchPath, n.program); !ok {
			r.ErrorHint("programs."+n.program, "must be installed", "apt-get install "+n.debian+", or run `fleet doctor --fix`")
		}
	}
	for _, a := range q.Manifest.Agents {
		if a.Enabled && a.Signing {
			if _, ok := find(q.Root, searchPath, "ssh-agent"); !ok {
				r.ErrorHint("agents."+a.Key+".git.signing", "needs ssh-agent on the host", "apt-get install openssh-client")
			}
		}
	}
}

// harnesses looks each agent's program up as its unit will, and refuses one that somebody else than root could replace.
func harnesses(q Question, r *report.Report) {
	for _, a := range q.Manifest.Agents {
		if !a.Enabled || a.Program == "" {
			continue
		}
		at := "agents." + a.Key + ".harness"
		path, ok := find(q.Root, agentPath, a.Program)
		if !ok {
			hint := "install it into /usr/local/bin or /usr/bin"
			if a.Install != "" {
				hint = "install it: " + a.Install
			}
			r.ErrorHint(at, fmt.Sprintf("%q is not in %s", a.Program, strings.Join(agentPath, ":")), hint)
			continue
		}
		if by := writableBy(q, path); by != "" {
			r.ErrorHint(at, fmt.Sprintf("%s can be changed by others than root (%s)", path, by),
				"chown it to root and take the write permission away")
		}
	}
}

// find returns the path of an executable in dirs, links followed, without the root prefix.
func find(root string, dirs []string, program string) (string, bool) {
	if filepath.IsAbs(program) {
		dirs, program = []string{filepath.Dir(program)}, filepath.Base(program)
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, program)
		if info, ok := exists(root + path); ok && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

// writableBy returns the first component of path, links resolved, that not only root can write, or "".
func writableBy(q Question, path string) string {
	root := q.Root
	real, err := filepath.EvalSymlinks(root + path)
	if err != nil {
		return path
	}
	for p := real; len(p) > len(root) && p != "/"; p = filepath.Dir(p) {
		info, ok := exists(p)
		if !ok {
			return p
		}
		st, isUnix := info.Sys().(*syscall.Stat_t)
		if !isUnix || st.Uid != q.Owner || info.Mode()&0o022 != 0 && st.Gid != 0 || info.Mode()&0o002 != 0 {
			return strings.TrimPrefix(p, root)
		}
	}
	return ""
}
