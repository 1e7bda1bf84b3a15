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

// harnesses looks up what agents and sidecars run.
func harnesses(q Question, r *report.Report) {
	const usual = "install it into /usr/local/bin or /usr/bin"
	for _, a := range q.Manifest.Agents {
		if a.Enabled && a.Program != "" {
			hint := usual
			if a.Install != "" {
				hint = "install it: " + a.Install
			}
			trusted(q, r, "agents."+a.Key+".harness", a.Program, hint)
		}
	}
	for _, s := range q.Manifest.Sidecars {
		if len(s.Agents) > 0 && s.Program != "" {
			trusted(q, r, "sidecars."+s.Name+".command", s.Program, usual)
		}
	}
}

// trusted looks a program up as a unit will, and refuses one that somebody else than root could replace.
func trusted(q Question, r *report.Report, at, program, hint string) {
	path, ok := find(q.Root, agentPath, program)
	switch {
	case !ok && filepath.IsAbs(program):
		r.ErrorHint(at, fmt.Sprintf("%q is not a program of this host", program), hint)
	case !ok:
		r.ErrorHint(at, fmt.Sprintf("%q is not in %s", program, strings.Join(agentPath, ":")), hint)
	default:
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
