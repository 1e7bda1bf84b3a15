package doctor

import (
	"context"
	"fmt"
	"slices"

	"fleet/schemas/report"
)

// needed are the programs that activation, the scripts of a generation or a throwaway machine run, and where to get
// them.
var needed = []struct {
	program              string
	why                  string
	purposes             []Purpose
	debian, fedora, arch string
}{
	{"systemctl", "starts and stops units", both, "systemd", "systemd", "systemd"},
	{"systemd-run", "runs the switch apart from the terminal", both, "systemd", "systemd", "systemd"},
	{"systemd-analyze", "verifies units before they are used", both, "systemd", "systemd", "systemd"},
	{"systemd-sysusers", "makes the agents' users", both, "systemd", "systemd", "systemd"},
	{"systemd-tmpfiles", "makes the agents' folders", both, "systemd", "systemd", "systemd"},
	{"nft", "loads the firewall", both, "nftables", "nftables", "nftables"},
	{"sudo", "gives operators their commands", both, "sudo", "sudo", "sudo"},
	{"visudo", "verifies sudo's rules before they are used", both, "sudo", "sudo", "sudo"},
	{"tmux", "holds the agents' sessions", both, "tmux", "tmux", "tmux"},
	{"ip", "sets up the agents' network namespaces", both, "iproute2", "iproute", "iproute2"},
	{"git", "is how agents deliver work", both, "git", "git-core", "git"},
	{"ssh-keygen", "makes the agents' signing keys", both, "openssh-client", "openssh", "openssh"},
	{"usermod", "locks the users of removed agents", both, "passwd", "shadow-utils", "shadow"},
	{"flock", "keeps two switches apart", both, "util-linux", "util-linux-core", "util-linux"},
	{"setpriv", "drops privileges in scripts", both, "util-linux", "util-linux", "util-linux"},
	{"sha256sum", "proves that files are unchanged", both, "coreutils", "coreutils", "coreutils"},
	{"systemd-nspawn", "boots the throwaway machine", []Purpose{Try}, "systemd-container", "systemd-container", "systemd"},
	{"nsenter", "enters the throwaway machine", []Purpose{Try}, "util-linux", "util-linux-core", "util-linux"},
	{"dbus-daemon", "serves logins in the throwaway machine", []Purpose{Try}, "dbus", "dbus-daemon", "dbus"},
}

// both: a throwaway machine is made of this host's root, and must be able to run agents.
var both = []Purpose{Switch, Try}

func programs(_ context.Context, e Env) []Finding {
	purpose := Switch
	if e.Try {
		purpose = Try
	}
	var found []Finding
	for _, n := range needed {
		if _, ok := e.Look(n.program); ok || !slices.Contains(n.purposes, purpose) {
			continue
		}
		found = append(found, Finding{
			Check:    "program." + n.program,
			Message:  fmt.Sprintf("%s, which %s, must be installed", n.program, n.why),
			Packages: map[Family]string{Debian: n.debian, Fedora: n.fedora, Arch: n.arch},
		})
	}
	return found
}

// agentDirs is PATH of an agent's unit.
var agentDirs = []string{"/usr/local/bin", "/usr/bin", "/bin"}

// harnesses only warns: a spec that does not use the program can do without.
func harnesses(_ context.Context, e Env) []Finding {
	var found []Finding
	for _, h := range e.Harnesses {
		path, ok := e.Look(h.Program)
		if ok && slices.ContainsFunc(agentDirs, func(d string) bool { return path == d+"/"+h.Program }) {
			continue
		}
		f := Finding{
			Check: "harness." + h.Program, Severity: report.Warning, For: Harness,
			Message: fmt.Sprintf("%s must be in /usr/local/bin or /usr/bin for the agents that run it", h.Program),
		}
		if ok {
			f.Hint = fmt.Sprintf("%s is outside of the agents' PATH", path)
		} else if h.Install != "" {
			f.Hint = "install it: " + h.Install
		}
		if !ok && h.Trusted {
			f.Hint = "fleet doctor --fix installs it"
			f.Packages = map[Family]string{Debian: "npm", Fedora: "npm", Arch: "npm"}
			f.Fix = []string{"/bin/sh", "-c", h.Install}
			if _, hasNPM := e.Look("npm"); hasNPM {
				f.Packages = nil
			}
		}
		found = append(found, f)
	}
	return found
}
