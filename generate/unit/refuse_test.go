package unit

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/report"
)

// TestRenderRefuses names for each fault the path in the spec and what must hold.
func TestRenderRefuses(t *testing.T) {
	mounts := func(list ...fleet.Mount) func(*model.Agent) {
		return func(a *model.Agent) { a.Mounts = list }
	}
	service := func(key, value string) func(*model.Agent) {
		return func(a *model.Agent) { a.Systemd.Service = map[string][]string{key: {value}} }
	}
	tests := []struct {
		name   string
		change func(*model.Agent)
		path   string
		says   string
	}{
		{"newline in a name", func(a *model.Agent) { a.Name = "a\nExecStart=/bin/sh" }, "agents.lead", "control character"},
		{"NUL in a variable", func(a *model.Agent) { a.Env["X"] = "a\x00b" }, "agents.lead.env.X", "control character"},
		{"bad UTF-8", func(a *model.Agent) { a.Env["X"] = "\xff" }, "agents.lead.env.X", "valid UTF-8"},
		{
			"long variable", func(a *model.Agent) { a.Env["X"] = strings.Repeat("x", 2100) }, "agents.lead.env",
			"at most 2047 bytes",
		},
		{"variable's name", func(a *model.Agent) { a.Env["-S"] = "x" }, "agents.lead.env.-S", "variable name"},
		{
			"mount in a home", mounts(fleet.Mount{Source: "/srv/x", Target: "/home/demo-lead/x"}),
			"agents.lead.mounts[0].target", "must not meet",
		},
		{
			"mount over a home", mounts(fleet.Mount{Source: "/srv/x", Target: "/home"}),
			"agents.lead.mounts[0].target", "must not meet",
		},
		{
			"mount in /tmp", mounts(fleet.Mount{Source: "/srv/x", Target: "/tmp/x"}), "agents.lead.mounts[0].target",
			"must not meet",
		},
		{
			"mount over /etc", mounts(fleet.Mount{Source: "/srv/x", Target: "/etc/claude-code"}),
			"agents.lead.mounts[0].target", "must not meet",
		},
		{"mount at /", mounts(fleet.Mount{Source: "/srv/x", Target: "/"}), "agents.lead.mounts[0].target", "must not meet"},
		{
			"source in a home", mounts(fleet.Mount{Source: "/home/demo-worker/x", Target: "/mnt/x"}),
			"agents.lead.mounts[0].source", "agents can write",
		},
		{
			"source in /run/fleet", mounts(fleet.Mount{Source: "/run/fleet/demo", Target: "/mnt/x"}),
			"agents.lead.mounts[0].source", "agents can write",
		},
		{
			"source in a shared folder",
			mounts(fleet.Mount{Source: "/srv/x", Target: "/mnt/x"}, fleet.Mount{Source: "/srv/x/y", Target: "/mnt/y"}),
			"agents.lead.mounts[1].source", "an agent can write",
		},
		{
			"targets that meet",
			mounts(fleet.Mount{Source: "/srv/x", Target: "/mnt/x", RO: true}, fleet.Mount{
				Source: "/srv/y",
				Target: "/mnt/x/y", RO: true,
			}),
			"agents.lead.mounts[1].target", "must not meet",
		},
		{"relative source", mounts(fleet.Mount{Source: "srv", Target: "/mnt/x"}), "agents.lead.mounts[0]", "absolute"},
		{"colon in a source", mounts(fleet.Mount{Source: "/srv/a:b", Target: "/mnt/x"}), "agents.lead.mounts[0]", "syntax"},
		{"unknown directive", service("ExecStartPost", "+/bin/sh"), "agents.lead.systemd.Service.ExecStartPost", "known"},
		{"loosening directive", service("ProtectClock", "no"), "agents.lead.systemd.Service.ProtectClock", "loosen"},
		{"second line", service("Nice", "5\nUser=root"), "agents.lead.systemd.Service.Nice", "control character"},
		{"swallowed line", service("Nice", `5\`), "agents.lead.systemd.Service.Nice", "backslash"},
		{"no size for /tmp", func(a *model.Agent) { a.Limits.Tmp = 0 }, "agents.lead.limits.tmp", "must be set"},
		{"no limit of memory", func(a *model.Agent) { a.Limits.Memory = 0 }, "agents.lead.limits.memory", "must be set"},
		{
			"sudo in a namespace", func(a *model.Agent) { a.Sudo = []string{"/bin/true"} }, "agents.lead.sudo",
			"isolation user",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := sample()
			tree := sampleTree(t, m)
			tt.change(&m.Agents[1])
			_, err := artifacttest.Files(Render, m, tree)
			var faults *report.Err
			if !errors.As(err, &faults) {
				t.Fatalf("no fault, %v", err)
			}
			for _, e := range faults.Report.Entries {
				if e.Path == tt.path && strings.Contains(e.Message, tt.says) {
					return
				}
			}
			t.Errorf("no %q at %s in:\n%v", tt.says, tt.path, err)
		})
	}
}

// TestRenderNeedsArtifacts: a unit that would name a file that nobody made is a mistake, not a unit.
func TestRenderNeedsArtifacts(t *testing.T) {
	if _, err := artifacttest.Files(Render, sample(), artifact.NewTree()); err == nil || !strings.Contains(err.Error(), `"agents/lead/run"`) {
		t.Errorf("no fault for a missing runner: %v", err)
	}
}

// TestUnitsFollowContent: a unit changes with what it runs, and no other does.
func TestUnitsFollowContent(t *testing.T) {
	m := sample()
	before := mustRender(t, m)
	tree := artifact.NewTree()
	for f, err := range sampleTree(t, m).All() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Path == "agents/worker/run" {
			f.Data = append(f.Data, "# changed\n"...)
		}
		if err := tree.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	after, err := artifacttest.Files(Render, m, tree)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range after {
		changed := !bytes.Equal(f.Data, before[i].Data)
		if want := f.Path == "units/fleet-demo-worker.service"; changed != want {
			t.Errorf("%s: changed %v, want %v", f.Path, changed, want)
		}
		if changed && artifact.UnitDigest(f.Data) == artifact.UnitDigest(before[i].Data) {
			t.Errorf("%s: its digest is the same", f.Path)
		}
	}
}

// TestDigest: what does not change the meaning does not change the digest.
func TestDigest(t *testing.T) {
	digests := func(change func(*model.Agent)) string {
		m := sample()
		change(&m.Agents[1])
		for _, f := range mustRender(t, m) {
			if f.Path == "units/fleet-demo-lead.service" {
				return artifact.UnitDigest(f.Data)
			}
		}
		return ""
	}
	base := digests(func(*model.Agent) {})
	if len(base) != digestSize {
		t.Fatalf("digest %q", base)
	}
	if got := digests(func(a *model.Agent) { a.Role, a.OnChange = "Other", "manual" }); got != base {
		t.Errorf("a new title or policy changes it")
	}
	if got := digests(func(a *model.Agent) { a.Limits.Tasks++ }); got == base {
		t.Errorf("a new limit does not change it")
	}
	if got := artifact.UnitDigest([]byte("[Service]\nExecStart=/bin/true\n")); got != "" {
		t.Errorf("a unit that records nothing has %q", got)
	}
}

// TestScripts: the shell reads each of them, and shellcheck has nothing to say.
func TestScripts(t *testing.T) {
	for _, f := range Scripts() {
		for _, argv := range [][]string{{"sh", "-n", "-"}, {"shellcheck", "-s", "sh", "-"}} {
			c := exec.Command(argv[0], argv[1:]...)
			c.Stdin = bytes.NewReader(f.Data)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", f.Path, argv[0], err, out)
			}
		}
	}
}
