//go:build machine

package faults

import (
	"fmt"
	"testing"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// B15: rules that sudo cannot read, or by which an operator would lose what the live generation gives, are refused.
func TestACTB15Sudoers(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first()
	h.Sh("usermod --append --groups fleet-operators $(useradd opera && echo opera)")
	may := h.Sh("sudo -l -U opera | grep NOPASSWD")
	for name, c := range map[string]struct {
		rules string
		words []string
	}{
		"syntax":        {"this is no rule\n", []string{"sudoers.d/demo"}},
		"unknown alias": {"NOBODY ALL = NOTHING\n", []string{"sudoers.d/demo"}},
		"forbids": {
			"%fleet-operators ALL = (root) NOPASSWD: !ALL\n", []string{"opera"},
		},
		"forgets": {"Defaults:opera !authenticate\n", []string{"opera"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.on(t)
			h.refused(h.withSudoers(c.rules), c.words...)
			if is := h.Sh("sudo -l -U opera | grep NOPASSWD"); is != may {
				t.Errorf("an operator might\n%s\nand may\n%s", may, is)
			}
		})
	}
}

// withSudoers makes the build of the usual spec with other rules for sudo.
func (h *host) withSudoers(rules string) build {
	h.t.Helper()
	return h.read(h.SealSpec(spec(2), func(t *artifact.Tree, _ *manifest.Manifest) {
		f := artifact.File{Path: "sudoers.d/demo", Mode: artifact.ModeSudo, Data: []byte("# fleet\n" + rules)}
		if err := instead(t, f); err != nil {
			h.t.Fatal(err)
		}
	}))
}

// B16: a number or a name that the host has given otherwise is refused, and both sides are named.
func TestACTB16UsersTaken(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	b := h.build(spec(1))
	var a manifest.User
	for _, u := range b.manifest.Users {
		if u.Name == "demo-a" {
			a = u
		}
	}
	uid := fmt.Sprint(a.UID)
	for _, c := range []struct {
		name, spoil, mend string
		words             []string
	}{
		{"uid taken", "useradd -u " + uid + " mary", "userdel mary", []string{"demo-a", uid, "mary"}},
		{"other uid", "useradd -u 4242 demo-a", "userdel demo-a", []string{"demo-a", uid, "4242"}},
		{"gid taken", "groupadd -g " + uid + " staff2", "groupdel staff2", []string{"demo-a", uid, "staff2"}},
		{"other gid", "groupadd -g 4242 demo-a", "groupdel demo-a", []string{"demo-a", uid, "4242"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := h.on(t)
			h.Sh(c.spoil)
			before := h.Sh("cat /etc/passwd /etc/group")
			h.mustSay(h.fleet(3, now(b)...), c.words...)
			if after := h.Sh("cat /etc/passwd /etc/group"); after != before {
				t.Errorf("accounts were\n%s\nand are\n%s", before, after)
			}
			h.Sh(c.mend)
		})
	}
	h.Switch(b.dir)
	h.settled(h.facts(e2e.Project).active, b)
}
