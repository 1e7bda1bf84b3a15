//go:build machine

package e2e

// Search is a script that prints what in the machine holds one of the values in the file $1: files, processes, journals.
// It leaves out the credentials of units, which may have it, /dev/shm, where the file is to be, and /usr but for /usr/local.
const Search = `
	set -u
	grep -rlaF -D skip -f "$1" /etc /var /home /tmp /root /opt /srv /usr/local 2>/dev/null
	find /run -xdev -path /run/credentials -prune -o -type f -print0 | xargs -0 -r grep -laF -f "$1"
	grep -laF -f "$1" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null
	journalctl --no-pager --all --output=export 2>/dev/null | grep -aF -f "$1"
	journalctl --no-pager --all --output=export --namespace=fleet-demo 2>/dev/null | grep -aF -f "$1"
	coredumpctl list --no-pager --no-legend 2>/dev/null
	exit 0`

// Holding returns what Search prints.
func (h *Host) Holding(values string) string {
	h.t.Helper()
	return h.MustRun("sh", "-c", Search, "sh", values)
}
