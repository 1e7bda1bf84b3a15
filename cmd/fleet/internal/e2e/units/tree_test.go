//go:build machine

package units

import (
	"slices"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/e2e"
)

// listTree prints what is on the host outside the folders of the kernel and the distribution's programs. The journal,
// what systemd and its tools keep of running processes, and what agents write all the time do not count.
const listTree = `
set -f
cd /
skip='-path run/log -o -path run/systemd -o -path run/udev -o -path run/host -o -path var/log/journal -o -path run/fleet/*/own'
where=$(ls -d boot etc home opt root/builds run srv tmp usr/lib/systemd usr/local/bin usr/local/lib/systemd var 2>/dev/null) || :
find $where \( $skip \) -prune -o -printf '%y %m %U:%G %s %T@ %l %p\n'
find $(ls -d etc run/fleet var/lib/fleet 2>/dev/null) \( $skip \) -prune -o -type f -exec sha256sum {} +
cut -d' ' -f5- /proc/self/mountinfo | grep -v ' /proc\| /sys'
nft list ruleset`

// hostTree lists every file of the host with its type, mode, owner, time, target and hash, the mounts and the rules. Of
// folders for temporary files the time does not count: whoever used one changed it.
func hostTree(h *e2e.Host) []string {
	out := h.Sh(listTree)
	lines := strings.Split(out, "\n")
	for i, l := range lines {
		f := strings.SplitN(l, " ", 7)
		if len(f) == 7 && f[0] == "d" && slices.Contains([]string{"tmp", "var/tmp", "var/lib"}, f[6]) {
			lines[i] = strings.Join([]string{f[0], f[1], f[2], f[6]}, " ")
		}
	}
	return lines
}

func sameTree(t testing.TB, before, after []string) {
	t.Helper()
	gone, new := only(before, after), only(after, before)
	if n := len(gone) + len(new); n > 0 {
		const most = 20
		t.Errorf("%d differences, among them\n- %s\n+ %s", n, strings.Join(gone[:min(most, len(gone))], "\n- "),
			strings.Join(new[:min(most, len(new))], "\n+ "))
	}
}

// only returns the items of a that b lacks.
func only(a, b []string) []string {
	there := map[string]bool{}
	for _, l := range b {
		there[l] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(l string) bool { return there[l] })
}
