//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/generate/artifact"
	"fleet/schemas/manifest"
)

// seal makes a build of a hand-written tree.
func (h *host) seal(change func(*artifact.Tree, *manifest.Manifest) error) build {
	h.t.Helper()
	return h.read(h.Seal(func(t *artifact.Tree, m *manifest.Manifest) {
		m.Activation.Health, m.Activation.Deadman, m.Activation.Job = 1, 31, 30
		if err := change(t, m); err != nil {
			h.t.Fatal(err)
		}
	}))
}

// withUnit makes a build with one unit more.
func (h *host) withUnit(name, text string) build {
	h.t.Helper()
	return h.seal(func(t *artifact.Tree, _ *manifest.Manifest) error { return e2e.Unit(t, name, text, true) })
}

// nothing makes a build in which nothing runs but what every project has.
func (h *host) nothing() build {
	h.t.Helper()
	return h.seal(func(*artifact.Tree, *manifest.Manifest) error { return nil })
}

// instead puts a file in place of one of the tree.
func instead(t *artifact.Tree, f artifact.File) error {
	out := artifact.NewTree()
	for was, err := range t.All() {
		if err != nil {
			return err
		}
		if was.Path == f.Path {
			was = f
		}
		if err := out.Add(was); err != nil {
			return err
		}
	}
	*t = *out
	return nil
}

// B13: what systemd would only complain of, or find out when it is too late, is refused in P2.
func TestACTB13BrokenUnits(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.Switch(h.nothing().dir)
	const run = "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
	for name, c := range map[string]struct {
		text  string
		words []string
	}{
		"no section":        {"ExecStart=/bin/true\n", []string{"fleet-demo-x.service"}},
		"unknown directive": {run + "ExecStart=/bin/true\nPrivateTemp=yes\n", []string{"fleet-demo-x", "PrivateTemp"}},
		"unknown section":   {run + "ExecStart=/bin/true\n[Srevice]\nA=b\n", []string{"fleet-demo-x.service", "Srevice"}},
		"bad value":         {run + "ExecStart=/bin/true\nTimeoutStopSec=soon\n", []string{"fleet-demo-x.service"}},
		"missing binary":    {run + "ExecStart=/opt/nothing/here\n", []string{"/opt/nothing/here"}},
		"missing user":      {run + "ExecStart=/bin/true\nUser=nobodyhere\n", []string{"nobodyhere"}},
		"missing group":     {run + "ExecStart=/bin/true\nGroup=nogrouphere\n", []string{"nogrouphere"}},
		"missing dependency": {
			run + "ExecStart=/bin/true\n[Unit]\nRequires=fleet-demo-gone.service\n", []string{"fleet-demo-gone.service"},
		},
		"missing path": {run + "ExecStart=/bin/true\nBindPaths=/srv/nowhere\n", []string{"/srv/nowhere"}},
		"missing store file": {
			run + "ExecStart=/var/lib/fleet/store/00000000000000000000000000000000-x\n", []string{"does not bring"},
		},
		"nothing to run": {"[Service]\nType=simple\n", []string{"fleet-demo-x.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.on(t)
			h.refused(h.withUnit("fleet-demo-x.service", c.text), append(c.words, "P2")...)
		})
	}
	ok := h.withUnit("fleet-demo-x.service", run+"ExecStart=/bin/true\n")
	h.Switch(ok.dir)
}

// B14: broken rules are refused in P2, and rules that do not go live leave the old ones in force.
func TestACTB14BrokenRules(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	first := h.nothing()
	h.Switch(first.dir)
	const inForce = `nft -s list table inet fleet_demo | grep -v '^	comment'` // which each load has another of
	rules := h.Sh(inForce)
	for name, c := range map[string]struct{ rule, word string }{
		"syntax":      {"counter packets over there", "nftables/demo.nft"},
		"missing set": {"meta skuid @nobody drop", "nobody"},
		"no module":   {"meta ibrname \"x\"", "nftables/demo.nft"}, // of bridges, in no kernel for this family
	} {
		t.Run(name, func(t *testing.T) {
			h := h.on(t)
			h.refused(h.withRule(c.rule), c.word)
		})
	}
	// They pass the check of P2, and fail in P7: the nft that the loader finds then takes no rule with a certain comment.
	c := h.paused("load the new rules", now(h.withRule("counter comment \"next\""))...)
	h.Sh(`cp -a /usr/sbin/nft /usr/sbin/nft.real; cat >/usr/sbin/nft.false <<'END'
#!/bin/sh
for file; do ! grep -qs '"next"' "$file" || exit 1; done
exec /usr/sbin/nft.real "$@"
END
		chmod 755 /usr/sbin/nft.false; mount --bind /usr/sbin/nft.false /usr/sbin/nft`)
	h.resume()
	h.mustSay(h.exit(c, 5), "P7", "rolled back: generation 1")
	h.Sh("umount /usr/sbin/nft")
	if now := h.Sh(inForce); now != rules {
		t.Errorf("the rules were\n%s\nand are\n%s", rules, now)
	}
	h.settled("1", first)
}

// withRule makes a build whose table has one chain more, with the rule in it.
func (h *host) withRule(rule string) build {
	h.t.Helper()
	return h.seal(func(t *artifact.Tree, _ *manifest.Manifest) error {
		const path = "nftables/demo.nft"
		f, _ := t.Get(path)
		text := string(f.Data) + "table inet fleet_demo {\n\tchain further {\n\t\t" + rule + "\n\t}\n}\n"
		return instead(t, artifact.Text(path, text))
	})
}
