//go:build machine

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

// B8: a full disk before the plan is a refusal that says how much is needed.
func TestACTB8DiskFull(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{UpperSize: "640m"})
	first := h.first()
	second := h.build(spec(2, `{ agents+: { a+: { prompt: 'Another one.' } } }`))

	h.Sh(`set -- /etc; ` + fill)
	h.refused(second, "KiB free", "KiB", "fleet gc")
	h.Sh(`set -- /etc; ` + drain)

	for _, c := range []struct {
		before string
		exit   int
		words  []string
	}{
		{`copy libexec/.*`, 3, []string{"P1", "no space left on device", "free some space"}},
		{`write store .*-run`, 3, []string{"P1", "no space left on device", "free some space"}},
		{`write /var/lib/fleet/demo/state.json`, 3, []string{"P1", "no space left on device"}},
		{`write /var/lib/fleet/demo/txn/[0-9a-f]+\.lines`, 3, []string{"P3", "no space left on device", "free some space"}},
		{`write /var/lib/fleet/demo/txn/[0-9a-f]+\.json`, 3, []string{"P3", "no space left on device", "free some space"}},
		{`make users and groups`, 5, []string{"P4"}},
	} {
		t.Run(c.before, func(t *testing.T) {
			h := h.on(t)
			h.fullAt(c.before, c.exit, second, c.words...)
			if bad := h.facts("demo").settled("1", first.manifest); len(bad) > 0 { // what else is left waits for room
				t.Errorf("generation 1 is not live as a whole: %v", bad)
			}
		})
	}
	// At the commit point, and right after it.
	c := h.paused(`sync the file system of /etc/fleet/demo/generations`, now(second)...)
	h.MustRun("sh", "-euc", small)
	h.resume()
	h.mustSay(h.exit(c, 5), "P12", "no space left on device", "free some space", "rolled back: generation 1")
	h.MustRun("umount", "/etc/fleet/demo")
	h.settled("1", first)
	const history = `write /var/lib/fleet/demo/state.json.bak`
	h.fullAt(history, 0, second, "P13", "no space left on device", "the next run does it")
	h.fleet(0, "status")
	h.mustSay(h.fleet(0, "rollback", "--now"), "generation 1") // it has recorded what was live
	h.settled("1", first)
}

// small puts the project's folder on a file system without an inode to spare.
const small = `
mkdir /run/small; mount -t tmpfs -o nr_inodes=2000 none /run/small; chmod 750 /run/small
cp -a /etc/fleet/demo/. /run/small/; mount --bind /run/small /etc/fleet/demo; umount /run/small; rmdir /run/small
mkdir /etc/fleet/demo/filler; i=0; while true >"/etc/fleet/demo/filler/$i"; do i=$((i + 1)); done 2>/dev/null || :`

// fullAt fills the disk before an effect of a switch.
func (h *host) fullAt(before string, exit int, b build, words ...string) {
	h.t.Helper()
	c := h.paused(before, now(b)...)
	h.Sh(`set -- /var/lib; ` + fill)
	h.resume()
	out := h.exit(c, exit)
	h.Sh(`set -- /var/lib; ` + drain)
	h.mustSay(out, words...)
}

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
