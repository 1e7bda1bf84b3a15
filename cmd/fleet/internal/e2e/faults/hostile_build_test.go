//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
)

// B12: a build folder that could mislead root is refused, whatever is wrong with it, and nothing of it stays.
func TestACTB12HostileBuild(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first()
	h.Sh("useradd --uid 2000 mallory; useradd --uid 2001 alice")
	good := h.build(spec(2))
	for _, c := range []struct {
		name, spoil string // in a copy of a good build
		words       []string
	}{
		{"link out", "ln -sf /etc/shadow REPORT.md", []string{"REPORT.md"}},
		{"link to a folder", "mv units u; ln -s u units", []string{"units"}},
		{
			"link that leads elsewhere", "ln -sfn ../../../etc/passwd units/fleet-demo.target.wants/fleet-demo-a.service",
			[]string{"must be a link to"},
		},
		{"setuid", "chmod 4555 libexec/record", []string{"libexec/record", "setuid"}},
		{"device", "rm REPORT.md; mknod REPORT.md c 1 5", []string{"REPORT.md", "must be a regular file"}},
		{"pipe", "rm REPORT.md; mkfifo REPORT.md", []string{"REPORT.md", "must be a regular file"}},
		{"pipe for a manifest", "rm manifest.json; mkfifo manifest.json", []string{"manifest.json"}},
		{"name with a newline", `touch "$(printf 'units/a\nb.service')"`, []string{"not listed in the manifest"}},
		{"huge file", "truncate -s 1T REPORT.md", []string{"REPORT.md", "bytes"}},
		{"huge manifest", "truncate -s 1T manifest.json", []string{"manifest"}},
		{"missing file", "rm libexec/record", []string{"libexec/record", "is missing"}},
		{"further file", "echo >units/fleet-demo-x.service", []string{"units/fleet-demo-x.service", "not listed"}},
		{"changed file", "echo >>units/fleet-demo-a.service", []string{"units/fleet-demo-a.service"}},
		{"file of somebody else's", "chown 2000 REPORT.md", []string{"REPORT.md", "owned by user 2000"}},
		{"folder for all", "chmod 0777 units", []string{"can be written by every user"}},
		{"folder of somebody else's", "chown 2000 .", []string{"owned by user 2000"}},
		{"parent of somebody else's", "chown 2000 ..", []string{"owned by user 2000"}},
		{"parent for a group", "chgrp 2000 ..; chmod 0775 ..", []string{"can be written by group 2000"}},
		{
			"parent by an access list", "chmod 0755 ..; setfacl -m u:mallory:rwx .. 2>/dev/null || chmod 0757 ..",
			[]string{"can be written by"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := h.on(t)
			h.spoiled(good, "chmod u+w . units libexec; "+c.spoil)
			h.refused(build{dir: "/srv/x/b/"}, c.words...)
		})
	}
	h.racing(good)
	h.settled("1", h.read("/etc/fleet/demo/generations/1/"))
}

// spoiled makes a copy of a good build below /srv/x and runs a script in it.
func (h *host) spoiled(good build, script string) {
	h.t.Helper()
	h.Sh("rm -rf /srv/x; mkdir -p /srv/x; cp -a " + good.dir + " /srv/x/b; cd /srv/x/b; " + script)
}

// racing changes a file of the build while it is copied: the switch stops before it copies that file.
func (h *host) racing(good build) {
	h.t.Helper()
	h.spoiled(good, ":")
	c := h.paused(`copy units/fleet-demo-a\.service`, now(build{dir: "/srv/x/b/"})...)
	h.Sh(`cd /srv/x/b/units; chmod u+w . *.service; sed -i 's/^User=.*/User=root/' fleet-demo-a.service`)
	h.resume()
	h.mustSay(h.exit(c, 3), "is not what its manifest lists, was it changed meanwhile?", "units/fleet-demo-a.service")

	h.spoiled(good, ":")
	c = h.paused(`copy units/fleet-demo-a\.service`, now(build{dir: "/srv/x/b/"})...)
	h.Sh(`cd /srv/x/b/units; chmod u+w .; ln -sf /etc/shadow fleet-demo-a.service`)
	h.resume()
	h.mustSay(h.exit(c, 3), "units/fleet-demo-a.service")
	h.Sh("! grep -rl '^root:' /etc/fleet /var/lib/fleet --include='*a.service'")
}
