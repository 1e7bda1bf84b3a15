package unit

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/generate/model/modeltest"
	"fleet/schemas/fleet"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// sample is a fleet with both isolation modes and every key that reaches a unit.
func sample() *model.Fleet {
	limits := model.Limits{Memory: 4 << 30, Tasks: 512, Files: 65536, Shm: 64 << 20, Tmp: 1 << 30, OOM: "kill"}
	all := limits
	all.MemoryHigh, all.CPUQuota, all.CPUWeight, all.IOWeight, all.OOM = 3<<30, "200%", 50, 20, "continue"
	return modeltest.Gated(&model.Fleet{
		Project:  "demo",
		Watchdog: model.Watchdog{Every: 5 * time.Minute},
		UIDs:     fleet.UIDs{From: 70000, To: 99999},
		Agents: []model.Agent{
			{
				Key: "admin", User: "demo-admin", UID: 70003, Enabled: true, Isolation: model.User, OnChange: "immediate",
				Limits: limits, Sudo: []string{"/usr/bin/systemctl restart nginx"}, Harness: model.Harness{Name: "demo"},
			},
			{
				Key: "lead", User: "demo-lead", UID: 70001, Name: "Atlas", Role: "Lead 100% \"Engineer\"", Enabled: true,
				Isolation: model.Namespace, OnChange: "graceful", Limits: all,
				Harness: model.Harness{
					Name: "claude-code", SettingsDir: "claude-code",
					Settings: map[string]any{"CLAUDE.md": model.InstructionsVariable, "managed-settings.json": map[string]any{}},
					Env:      map[string]string{"B": "2", "A": "x"},
				},
				Env:    map[string]string{"A": `it's $HOME %n "q" \ ;`},
				Git:    fleet.Git{Name: "Atlas", Email: "atlas@example.org", Signing: true},
				Mounts: []fleet.Mount{{Source: "/srv/a b", Target: "/mnt/a b"}, {Source: "/srv/ro", Target: "/srv/ro", RO: true}},
				Schedules: []model.Schedule{
					{
						Name: "nightly", Calendar: []string{"*-*-13 03:00:00 Europe/Berlin", "Fri *-*-* 03:00:00 Europe/Berlin"},
						Session: time.Hour, Jitter: 5 * time.Minute, CatchUp: true,
					},
					{Name: "tidy", Every: 90 * time.Minute, Session: 30 * time.Minute},
				},
				Systemd: fleet.Systemd{
					Unit:    map[string][]string{"After": {"network.target"}},
					Service: map[string][]string{"Nice": {"5"}, "RuntimeMaxSec": {"7d"}, "SystemCallFilter": {"~@resources"}},
				},
			},
			{Key: "off", User: "demo-off", UID: 70004, Isolation: model.Namespace},
			{
				Key: "worker", User: "demo-worker", UID: 70002, Enabled: true, Isolation: model.User, OnChange: "graceful",
				Limits: limits, Harness: model.Harness{Name: "demo"}, LocalPorts: &fleet.PortRange{From: 9000, To: 9010},
			},
		},
	})
}

// firewallStandIn answers as libexec/firewall does, and loads nothing.
const firewallStandIn = "#!/bin/sh\ncase $1 in wait | reload | withdraw) exit 0 ;; esac\nexec sleep infinity\n"

// gateStandIn says that it is ready, as fleet-gate does, and takes no connection.
const gateStandIn = "#!/usr/bin/perl\nuse Socket;\nsocket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;\n" +
	"send($s, 'READY=1', 0, sockaddr_un($ENV{NOTIFY_SOCKET})) or die;\n" +
	"while (1) { sleep 5; send($s, 'WATCHDOG=1', 0, sockaddr_un($ENV{NOTIFY_SOCKET})) }\n"

// sampleTree is what other renderers make for the fleet.
func sampleTree(t testing.TB, m *model.Fleet) *artifact.Tree {
	t.Helper()
	tree := artifact.NewTree()
	add := func(files ...artifact.File) {
		if err := tree.Add(files...); err != nil {
			t.Fatal(err)
		}
	}
	add(artifact.Script("libexec/fleet-gate", gateStandIn), artifact.Script("libexec/firewall", firewallStandIn), artifact.Script("libexec/watchdog", "#!/bin/sh\n"),
		artifact.Text(artifact.Path("nftables/"+m.Project+".nft"), "table inet fleet_demo {}\n"))
	for i := range m.Agents {
		a := &m.Agents[i]
		if !a.Enabled {
			continue
		}
		add(artifact.Text(artifact.Path(a.File("policy.json")), "{}\n"))
		hook := artifact.Script(artifact.Path(a.File("hooks/before")), "#!/bin/sh\necho "+a.Key+"\n")
		run := "#!/bin/sh\nhook=" + hook.StorePath() + "\n"
		add(hook, artifact.Text(artifact.Path(a.SettingsFile("managed-settings.json")), "{}\n"),
			artifact.Text(artifact.Path(a.File("instructions.md")), "# "+a.Name+"\n"),
			artifact.Text(artifact.Path(a.File("gitconfig")), "[user]\n\tname = "+a.Name+"\n"),
			artifact.Script(artifact.Path(a.File("run")), run+"# "+a.Key+"\n"))
		for _, j := range a.Schedules {
			add(artifact.Script(artifact.Path(a.File("jobs/"+j.Name)), run+"# job "+j.Name+"\n"))
		}
	}
	return tree
}

func mustRender(t testing.TB, m *model.Fleet) []artifact.File {
	t.Helper()
	files, err := artifacttest.Files(Render, m, sampleTree(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRenderFiles compares every unit and link with testdata/units, which is there to be read.
func TestRenderFiles(t *testing.T) {
	dir := filepath.Join("testdata", "units")
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, f := range mustRender(t, sample()) {
		if name, ok := strings.CutPrefix(string(f.Path), "units/"); ok {
			got[name] = string(f.Data)
			if f.Link != "" {
				got[name] = "-> " + f.Link + "\n"
			}
		} else if name, ok := strings.CutPrefix(string(f.Path), "agents/lead/"); ok {
			got["lead/"+name] = string(f.Data)
		}
	}
	want := map[string]string{}
	for name, text := range got {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		want[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("units (-testdata +made), go test -update writes them anew:\n%s", diff)
	}
}
