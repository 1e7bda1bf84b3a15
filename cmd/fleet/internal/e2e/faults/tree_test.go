//go:build machine

package faults

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"fleet/cmd/fleet/internal/e2e"
)

// snapshot prints all that a fleet may change on a host: files, units, mounts, rules, users' processes. What the host
// itself changes all the time is left out.
const snapshot = `
find /etc /usr /var /home /opt /srv /root /run -xdev \( -path /var/log -o -path /var/cache -o -path /root/builds \
	-o -path /run/systemd/journal -o -path /run/systemd/units -o -path /run/systemd/inaccessible -o -path /run/log \
	-o -path /run/systemd/sessions -o -path /run/systemd/propagate -o -path /run/udev -o -path /usr/local/go \
	-o -path /usr/share -o -path /usr/lib/python3 -o -path /var/lib/apt -o -path /var/lib/dpkg \) -prune -o \
	\( -type f -printf 'file %p %m %U:%G %s %T@\n' \) -o -printf 'node %p %y %m %U:%G %l\n'
systemctl list-units --all --plain --no-legend --full | awk '{ print "unit", $1, $2, $3, $4 }'
systemctl list-unit-files --no-legend --full | awk '{ print "unit-file", $1, $2 }'
sed 's/^/passwd /' /etc/passwd /etc/group
nft -s list ruleset | sed 's/^/rule /'
ip netns 2>/dev/null | sed 's/^/netns /'
awk '{ print "mount", $2, $3 }' /proc/mounts
ps -eo uid= | awk '$1 >= 65536 { print "process of user", $1 }' | sort -u
`

// volatile matches what changes on a quiet host too.
var volatile = regexp.MustCompile(`^(file /run/(fleet-(effects|fault)\S*|systemd/systemd-units-load) ` +
	`|unit \S+\.(scope|mount|device|slice) |mount /proc/|node /run/(lock|user)\S* ` +
	`|unit (systemd-tmpfiles-clean|fleetswitch)` +
	`|file /(var/lib/systemd|run/systemd/(journal|resolve|seats|users))/|node /run/systemd/(transient|generator\S*) ` +
	`|file /run/systemd/generator\S*/\S+ |file /(etc/machine-id|var/lib/dbus/machine-id) )`)

// snapshot returns what stands on the host and runs there, as a set of lines.
func (h *host) snapshot() map[string]bool {
	h.t.Helper()
	out := map[string]bool{}
	for line := range strings.Lines(h.Sh(snapshot)) {
		if line = strings.TrimSpace(line); !volatile.MatchString(line) {
			out[line] = true
		}
	}
	return out
}

// same fails the test for every line of one snapshot that the other lacks, but for those that match.
func (h *host) unchanged(before, after map[string]bool, but string) {
	h.t.Helper()
	allowed := regexp.MustCompile(but)
	var diff []string
	for _, line := range slices.Sorted(maps.Keys(before)) {
		if !after[line] && (but == "" || !allowed.MatchString(line)) {
			diff = append(diff, "- "+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(after)) {
		if !before[line] && (but == "" || !allowed.MatchString(line)) {
			diff = append(diff, "+ "+line)
		}
	}
	if len(diff) > 0 {
		h.t.Errorf("%d differences:\n%s", len(diff), strings.Join(diff[:min(len(diff), 60)], "\n"))
	}
}

// refused wants a switch to be refused with all the words, and nothing of the live generation touched by it.
func (h *host) refused(b build, words ...string) {
	h.t.Helper()
	before, units := h.facts("demo"), h.Invocations()
	h.mustSay(h.fleet(3, now(b)...), words...)
	after := h.facts("demo")
	e2e.Untouched(h.t, units, h.Invocations())
	if after.active != before.active || after.boot != before.boot || after.anchor != before.anchor {
		h.t.Errorf("generations were %+v, and are %+v", before, after)
	}
	if left := after.left(); len(left) > 0 {
		h.t.Errorf("it left %v", left)
	}
}
