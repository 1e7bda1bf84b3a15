//go:build machine && unproven

package faults

import (
	"testing"

	"fleet/activate/machine"
)

// fill leaves no room in the file system of the folder $1, and drain gives it back.
const (
	fill  = `head -c 1G /dev/zero >"$1/.filler" 2>/dev/null || :; head -c 1M /dev/zero >"$1/.filler2" 2>/dev/null || :`
	drain = `rm -f "$1/.filler" "$1/.filler2"; rm -rf "$1/.inodes"`
	// spend leaves no inode.
	spend = `mkdir -p "$1/.inodes"; i=0; while echo >"$1/.inodes/$i"; do i=$((i + 1)); done 2>/dev/null; :`
)

// B8: no inode left.
func TestACTB8NoInodes(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{Volumes: []machine.Volume{{Path: "/var/lib/fleet", Size: "256m", Inodes: 2000}}})
	first := h.first()
	second := h.build(spec(2))
	h.Sh(`set -- /var/lib/fleet; ` + spend)
	h.refused(second, "inodes")
	h.Sh(`set -- /var/lib/fleet; ` + drain)
	c := h.paused(`write /var/lib/fleet/demo/txn/[0-9a-f]+\.lines`, now(second)...)
	h.Sh(`set -- /var/lib/fleet; ` + spend)
	h.resume()
	out := h.exit(c, 3)
	h.Sh(`set -- /var/lib/fleet; ` + drain)
	h.mustSay(out, "P3", "no space left on device")
	h.settled("1", first)
	h.fleet(0, now(second)...)
}

// B9: systemd needs room in /run for a reload.
func TestACTB9RunFull(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{RunSize: "40m"})
	h.first()
	h.Sh("head -c 30M /dev/zero >/run/filler")
	h.refused(h.build(spec(2)), "/run", "KiB free", "needs 16384 KiB")
}

// B10: a read-only /etc is told of before anything is done.
func TestACTB10ReadOnlyEtc(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	first := h.first()
	second := h.build(spec(2))
	h.Sh("mount --bind /etc /etc; mount -o remount,bind,ro /etc")
	h.refused(second, "P0", "/etc", "read-only", "remount")
	h.Sh("umount /etc")
	h.settled("1", first)
	h.fleet(0, now(second)...)
}
