package preflight

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fleet/schemas/manifest"
)

// host makes the tree of a fit host.
func host(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"etc/systemd/system", "var/lib", "run", "usr/bin", "usr/local/bin", "sys/fs/cgroup", "proc/1"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range needed {
		put(t, root+"/usr/bin/"+n.program, "#!/bin/sh\n", 0o755)
	}
	return root
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func question(root string) Question {
	return Question{
		Root: root, PID1: "systemd", Systemd: 252, Owner: uint32(os.Getuid()),
		Manifest: &manifest.Manifest{
			Project: "demo", Target: runtime.GOOS + "/" + runtime.GOARCH,
			Units: []manifest.Unit{{Name: "fleet-demo-lead.service"}},
			Agents: []manifest.Agent{{
				Key: "lead", Enabled: true, Isolation: "namespace", Program: "claude", Install: "npm install claude",
			}},
		},
	}
}

func TestCheck(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(t *testing.T, q *Question)
		want  []string // texts of the report; none: the host is fit
	}{
		{"fit", func(*testing.T, *Question) {}, nil},
		{"no root", func(_ *testing.T, q *Question) { q.EUID = 1000 }, []string{"only root can switch a host", "run it with sudo"}},
		{"other init", func(_ *testing.T, q *Question) { q.PID1 = "runit" }, []string{`must be systemd, not "runit"`, "fleet try"}},
		{"old systemd", func(_ *testing.T, q *Question) { q.Systemd = 249 }, []string{"must be 250 or newer, not 249"}},
		{"other machine", func(_ *testing.T, q *Question) { q.Manifest.Target = "linux/vax" }, []string{"is built for linux/vax"}},
		{"missing program", func(t *testing.T, q *Question) {
			if err := os.Remove(q.Root + "/usr/bin/nft"); err != nil {
				t.Fatal(err)
			}
		}, []string{"programs.nft: must be installed", "apt-get install nftables"}},
		{
			"missing harness", func(_ *testing.T, q *Question) { q.Manifest.Agents[0].Program = "codex" },
			[]string{`agents.lead.harness: "codex" is not in /usr/local/bin:/usr/bin:/bin`, "install it: npm install claude"},
		},
		{"missing tool of a sidecar", func(_ *testing.T, q *Question) {
			q.Manifest.Sidecars = []manifest.Sidecar{
				{Name: "deploy", Agents: []string{"lead"}, Program: "/usr/bin/deploy-mcp"}, {Name: "unused", Program: "/usr/bin/none"},
			}
		}, []string{`sidecars.deploy.command: "/usr/bin/deploy-mcp" is not a program of this host`}},
		{"harness that others can change", func(t *testing.T, q *Question) {
			put(t, q.Root+"/usr/local/bin/claude", "", 0o777)
		}, []string{"/usr/local/bin/claude can be changed by others than root"}},
		{"vendor's unit", func(t *testing.T, q *Question) {
			put(t, q.Root+"/etc/systemd/system/fleet-demo-lead.service", "", 0o644)
		}, []string{"/etc/systemd/system/fleet-demo-lead.service is a unit of the host's"}},
		{"override of a live unit", func(t *testing.T, q *Question) {
			put(t, q.Root+"/etc/systemd/system/fleet-demo-lead.service", "", 0o644)
			q.Live = map[string]bool{"fleet-demo-lead.service": true}
		}, nil},
		{
			"no unified cgroups", func(_ *testing.T, q *Question) { q.Manifest.Agents[0].Isolation = "user" },
			[]string{`agents.lead.isolation: "user" needs the unified cgroup hierarchy`},
		},
		{"ports of another project's", func(_ *testing.T, q *Question) {
			q.Manifest.Agents[0].Ports = "5000-5009"
			q.Others = []*manifest.Manifest{{Project: "web", Agents: []manifest.Agent{
				{Key: "off", Ports: "5000-5009"},
				{Key: "beside", Enabled: true, Ports: "5010-5019"},
				{Key: "ui", Enabled: true, Ports: "5009-5009"},
			}}}
		}, []string{"agents.lead.localPorts: 5000-5009 overlaps 5009-5009 of agent ui of project web"}},
		{"ports beside another project's", func(_ *testing.T, q *Question) {
			q.Manifest.Agents[0].Ports = "5000-5009"
			q.Others = []*manifest.Manifest{{Project: "web", Agents: []manifest.Agent{{Key: "ui", Enabled: true, Ports: "5010-5019"}}}}
		}, nil},
		{"no room", func(_ *testing.T, q *Question) {
			q.Manifest.Files = []manifest.File{{Path: "agents/lead/run", Size: 1 << 60}}
		}, []string{"/etc/fleet: has", "/var/lib/fleet/store: has"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := question(host(t))
			put(t, q.Root+"/usr/bin/claude", "", 0o755)
			c.spoil(t, &q)
			r := Check(q)
			if len(c.want) == 0 && r.Failed() {
				t.Errorf("refused: %s", r.String())
			}
			for _, want := range c.want {
				if !strings.Contains(r.String(), want) {
					t.Errorf("report lacks %q:\n%s", want, r.String())
				}
			}
		})
	}
}

// ACT-B20: where systemd is not the first process, or is too old, the way to try a fleet all the same is named.
func TestACTB20Manager(t *testing.T) {
	for name, spoil := range map[string]func(*Question){
		"other init":  func(q *Question) { q.PID1 = "runit" },
		"old systemd": func(q *Question) { q.Systemd = 249 },
	} {
		q := question(host(t))
		put(t, q.Root+"/usr/bin/claude", "", 0o755)
		spoil(&q)
		r := Check(q)
		if text := r.String(); !r.Failed() || len(r.Entries) != 1 || !strings.Contains(text, "fleet try") {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func TestSSHAncestor(t *testing.T) {
	root := host(t)
	for pid, stat := range map[string]string{
		"10": "10 (sshd-session) S 1 10", "20": "20 (a) b) S 10 20", "30": "30 (fleet) S 20 30", "40": "40 (sh) S 1 40",
	} {
		if err := os.MkdirAll(root+"/proc/"+pid, 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, root+"/proc/"+pid+"/stat", stat, 0o444)
	}
	if !sshAncestor(root, 30) {
		t.Error("a child of a child of sshd-session is not seen as remote")
	}
	if sshAncestor(root, 40) {
		t.Error("a local shell is seen as remote")
	}
}
