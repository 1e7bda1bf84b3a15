//go:build machine

package unit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fleet/generate/artifact"
	"fleet/generate/model"
)

const helper = "/usr/local/bin/fleet-unit-test"

// hostileFleet is sample() with runners that are hostile.
func hostileFleet(t *testing.T) (*model.Fleet, *artifact.Tree) {
	t.Helper()
	m := sample()
	tree := artifact.NewTree()
	for f, err := range sampleTree(t, m).All() {
		if err != nil {
			t.Fatal(err)
		}
		key, name, _ := strings.Cut(strings.TrimPrefix(string(f.Path), "agents/"), "/")
		switch {
		case name == "run":
			f.Data = []byte("#!/bin/sh\nexport FLEET_OWN=/run/fleet/demo/" +
				key + "/own " + insideEnv + "=hostile\nexec " + helper + "\n")
		case name == "gitconfig":
			f.Data = []byte("[user]\n\tname = Atlas\n\temail = atlas@example.org\n")
			if key == "lead" {
				f.Data = append(f.Data,
					"\tsigningkey = "+model.InsideSignKey+"\n[gpg]\n\tformat = ssh\n[commit]\n\tgpgsign = true\n"+
						"[gpg \"ssh\"]\n\tallowedSignersFile = ~/allowed\n"...)
			}
		}
		if err := tree.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	return m, tree
}

func installHostile(t *testing.T) (*host, *model.Fleet) {
	h := boot(t)
	m, tree := hostileFleet(t)
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	h.write(helper, string(data), 0o755)
	h.run("install", "-d", "-m", "0777", "/srv/a b", "/srv/ro")
	h.write("/srv/secret/key", "secret\n", 0o644)
	h.write("/etc/sudoers.d/fleet-demo", "@includedir /run/fleet/demo/active/sudoers.d\n", 0o440)
	h.write(m.ProbeProgram(), string(data), 0o555)
	h.install(m, tree)
	h.write("/etc/fleet/demo/generations/1/sudoers.d/demo",
		"Defaults:demo-admin !pam_acct_mgmt\ndemo-admin ALL=(root) NOPASSWD: /usr/bin/id -u\n", 0o440)
	return h, m
}

// TestMachineContainment starts agents of every kind with a program that tries what it must not and what it must.
func TestMachineContainment(t *testing.T) {
	h, m := installHostile(t)
	h.run("systemd-run", "-q", "--setenv="+insideEnv+"=serve", helper)
	if out := h.verify(); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	if out := h.run("systemctl", "start", "fleet-demo.target"); out != "" {
		t.Errorf("systemctl start says:\n%s", out)
	}
	t.Run("exposure", func(t *testing.T) {
		for key, limit := range map[string]float64{"lead": 1.0, "worker": 1.5} {
			for _, u := range []string{string(m.AgentUnit(key)), strings.Replace(string(m.AttachUnit(key)), "@", "@7", 1)} {
				if got := h.exposure(t, u); got > limit {
					t.Errorf("%s: exposure %v, must be at most %v", u, got, limit)
				}
			}
		}
		for _, u := range []string{"fleet-demo-lead-gate.service", "fleet-demo-worker-gate.service"} {
			if got := h.exposure(t, u); got > 1.5 {
				t.Errorf("%s: exposure %v, must be at most 1.5", u, got)
			}
		}
		t.Logf("admin with sudo: %v", h.exposure(t, "fleet-demo-admin.service"))
	})
	all := map[string]seen{}
	for _, key := range []string{"lead", "worker", "admin"} {
		all[key] = h.seen(key)
	}
	// What isolation user cannot have: the host's loopback and abstract sockets are kept from it by the firewall and
	// not at all. With sudo there is no bound.
	allowed := map[string][]string{"lead": nil, "worker": {"abstract socket", "host's port"}}
	allowed["admin"] = append([]string{"list /run/fleet/demo", "connect /run/systemd/private"}, allowed["worker"]...)
	for key, s := range all {
		t.Run(key, func(t *testing.T) {
			for name, why := range s.Attempts {
				if why == "" && !slices.Contains(allowed[key], name) {
					t.Errorf("%s: must not be possible", name)
				}
			}
			works(t, m, key, s.Works)
		})
	}
	t.Run("apart", func(t *testing.T) { apart(t, h) })
	t.Run("records", func(t *testing.T) { records(t, h, m) })
	t.Run("attach", func(t *testing.T) {
		for _, key := range []string{"lead", "admin"} {
			name := strings.TrimSuffix(string(m.AttachUnit(key)), "@.service")
			if out := h.run("env", insideEnv+"=terminal", helper, name); !strings.Contains(out, "echo: hello from outside") {
				t.Errorf("%s: the terminal shows %q", key, out)
			}
		}
	})
	t.Run("journal", func(t *testing.T) {
		if out := h.run("journalctl", "-u", "fleet-demo*", "-p", "warning", "-o", "cat", "--no-pager"); out != "" {
			t.Errorf("warnings:\n%s\namong\n%s", out, h.run("journalctl", "-u", "fleet-demo*", "--no-pager", "-n", "200"))
		}
	})
	t.Run("firewall ends", func(t *testing.T) { firewallEnds(t, h, m) })
}

// verify runs systemd's linter on every unit and returns what it says; its exit status is 0 for unknown keys.
func (h *host) verify() string {
	units, err := filepath.Glob(filepath.Join(h.root, "/etc/systemd/system/fleet-demo*.*"))
	if err != nil {
		h.t.Fatal(err)
	}
	argv := []string{"systemd-analyze", "verify"}
	for _, u := range units {
		if !strings.HasSuffix(u, ".wants") {
			argv = append(argv, strings.TrimPrefix(u, h.root))
		}
	}
	out, _ := h.try(argv...)
	return out
}

func (h *host) exposure(t *testing.T, unit string) float64 {
	t.Helper()
	out := h.run("systemd-analyze", "security", "--no-pager", unit)
	_, rest, found := strings.Cut(out, "Overall exposure level for "+unit+": ")
	if !found {
		t.Fatalf("no exposure in:\n%s", out)
	}
	v, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (h *host) seen(key string) seen {
	h.t.Helper()
	path := "/home/demo-" + key + "/seen.json"
	for range 300 {
		if _, err := os.Stat(filepath.Join(h.root, path)); err == nil {
			var s seen
			if err := json.Unmarshal([]byte(h.read(path)), &s); err != nil {
				h.t.Fatal(err)
			}
			return s
		}
		h.run("sleep", "0.1")
	}
	h.t.Fatalf("agent %s did not report:\n%s", key, h.journal("fleet-demo-"+key+".service"))
	return seen{}
}

// works checks what an agent needs.
func works(t *testing.T, m *model.Fleet, key string, got map[string]string) {
	uid := map[string]string{"lead": "70001", "worker": "70002", "admin": "70003"}[key]
	user := "demo-" + key
	want := map[string]string{
		"node": "true true", "git": "Atlas <atlas@example.org>", "loopback": "ok",
		"id":         "uid=" + uid + "(" + user + ") gid=" + uid + "(" + user + ") groups=" + uid + "(" + user + ")",
		"write /tmp": "ok", "write /var/tmp": "ok", "write /dev/shm": "ok", "write /home/" + user: "ok",
		"processes": uid,
	}
	if key == "admin" {
		want["sudo"] = "0"
	}
	if key == "lead" {
		want["verify"] = "G"
		want["managed"] = "# Atlas\n# Atlas"
	}
	for name, v := range want {
		if lastLine := got[name]; lastLine != v && !(name == "sudo" && strings.HasSuffix(lastLine, "\n"+v)) {
			t.Errorf("%s: %q, want %q", name, got[name], v)
		}
	}
	for _, name := range []string{"sudo", "sudo bad"} {
		if want[name] == "" && !strings.HasPrefix(got[name], "error: ") {
			t.Errorf("%s: must fail, says %q", name, got[name])
		}
	}
	if !strings.HasPrefix(got["key"], "error: ") || strings.Contains(got["key"], "PRIVATE") {
		t.Errorf("key: %q", got["key"])
	}
	if !strings.Contains(got["tmux"], "1 windows") {
		t.Errorf("tmux: %q", got["tmux"])
	}
	env := strings.Split(got["env"], "\n")
	for name, v := range map[string]string{
		"HOME": "/home/" + user, "USER": user, "LOGNAME": user, "SHELL": "/bin/sh", "LANG": "C.UTF-8", "FLEET_AGENT": key,
		"FLEET_PROJECT": "demo", "PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "screen-256color",
	} {
		if !slices.Contains(env, name+"="+v) {
			t.Errorf("environment has no %s=%s:\n%s", name, v, got["env"])
		}
	}
	for i := range m.Agents {
		for name, v := range m.Agents[i].Env {
			if m.Agents[i].Key == key && !slices.Contains(env, name+"="+v) {
				t.Errorf("environment has no %s=%s:\n%s", name, v, got["env"])
			}
		}
	}
	t.Logf("/: %s; /etc: %s", strings.Fields(got["root"]), strings.Fields(got["etc"]))
}

// apart compares the namespaces of the agents and the host, and looks for what one left in shared places.
func apart(t *testing.T, h *host) {
	ids := map[string]string{}
	for _, key := range []string{"lead", "worker", "host"} {
		pid := "1"
		if key != "host" {
			pid = h.run("systemctl", "show", "-P", "MainPID", "fleet-demo-"+key+".service")
		}
		for _, ns := range []string{"net", "ipc", "mnt", "uts", "user"} {
			id := h.run("readlink", "/proc/"+pid+"/ns/"+ns)
			if other, taken := ids[id]; taken && !(ns == "net" && key != "lead" && other != "lead") {
				t.Errorf("%s of %s is that of %s", ns, key, other)
			}
			ids[id] = key
		}
	}
	if out := h.run("find", "/tmp", "/var/tmp", "/dev/shm", "/run", "-name", "fleet-mark"); out != "" {
		t.Errorf("the host sees %s", out)
	}
	if strings.Contains(h.run("ls", "/etc"), "claude-code") {
		t.Errorf("a mount point was left on the host")
	}
}

// records compares what runs with what is written down of it.
func records(t *testing.T, h *host, m *model.Fleet) {
	for _, name := range []model.UnitName{m.AgentUnit("lead"), m.AgentUnit("admin"), m.Firewall()} {
		invocation := h.run("systemctl", "show", "-P", "InvocationID", string(name))
		want := artifact.UnitDigest([]byte(h.read("/etc/systemd/system/"+string(name)))) + " " + invocation + "\n"
		if got := h.run("cat", m.UnitsDir()+"/"+string(name)) + "\n"; got != want || len(want) != 66 {
			t.Errorf("%s: recorded %q, want %q", name, got, want)
		}
	}
}

// firewallEnds: agents whose wall is the firewall end with its process and come back with it; one in a namespace of its
// own goes on.
func firewallEnds(t *testing.T, h *host, m *model.Fleet) {
	invocation := func(key string) string {
		return h.run("systemctl", "show", "-P", "InvocationID", string(m.AgentUnit(key)))
	}
	lead, worker := invocation("lead"), invocation("worker")
	h.run("kill", "-9", h.run("systemctl", "show", "-P", "MainPID", string(m.Firewall())))
	h.until("the agent's end", func() bool { return invocation("worker") != worker })
	h.until("the agent", func() bool {
		out, _ := h.try("systemctl", "is-active", string(m.AgentUnit("worker")))
		return out == "active"
	})
	if invocation("lead") != lead {
		t.Errorf("the agent in a namespace was started again")
	}
}

// TestMachineFailOpen takes parts of the sandbox away, as systemd does by itself where it cannot make them: the agent
// must not start.
func TestMachineFailOpen(t *testing.T) {
	h, m := installHostile(t)
	h.run("systemctl", "start", "fleet-demo-firewall.service")
	h.run("systemctl", "stop", "fleet-demo-worker.service", "fleet-demo-admin.service") // it brought them
	tests := []struct{ key, dropin, why string }{
		{"lead", "PrivateNetwork=no", "the net namespace is the host's"},
		{"lead", "PrivateIPC=no", "the ipc namespace is the host's"},
		{"lead", "PrivateUsers=no", "the user namespace is the host's"},
		{"lead", "ProtectHostname=no", "the uts namespace is the host's"},
		{"lead", "ProtectProc=default", "/proc must hide the processes of others"},
		{"lead", "ProtectSystem=no", "/ must be read-only"},
		{"lead", "RootDirectory=", "the root is the host's"},
		{"worker", "RootDirectory=", "the root is the host's"},
		{"lead", "ProtectHome=no", "/home must be read-only"},
		{
			"lead", "TemporaryFileSystem=\nTemporaryFileSystem=/run:ro /etc:ro /var:ro /var/tmp",
			"/tmp must be a tmpfs of limited size",
		},
		{"lead", "CapabilityBoundingSet=CAP_CHOWN", "CapBnd: must be"},
		{"lead", "AmbientCapabilities=CAP_CHOWN\nCapabilityBoundingSet=CAP_CHOWN", "CapEff: must be"},
		{"lead", "SupplementaryGroups=audio", "Groups must be"},
		{"lead", "BindPaths=/srv/secret", "/srv/secret must be read-only"},
		{"lead", "BindReadOnlyPaths=/run/dbus", "/run/dbus must not be here"},
		{"lead", noFilters, "the system call filters are missing"},
		{"worker", "PrivateIPC=no", "the ipc namespace is the host's"},
		{"worker", noFilters, "the system call filters are missing"},
		{"admin", "PrivateIPC=no", "the ipc namespace is the host's"},
		{"admin", "BindPaths=/srv/secret", "/srv/secret must be read-only"},
	}
	for _, tt := range tests {
		t.Run(tt.key+" "+strings.Fields(tt.dropin)[0], func(t *testing.T) {
			name := string(m.AgentUnit(tt.key))
			h.run("mkdir", "-p", "/run/systemd/system/"+name+".d")
			h.run("sh", "-c",
				"printf '[Service]\\nRestart=no\\n%s\\n' \"$1\" >/run/systemd/system/"+name+".d/open.conf", "sh",
				tt.dropin)
			h.run("systemctl", "daemon-reload")
			h.run("journalctl", "--rotate")
			h.run("journalctl", "--vacuum-time=1s")
			if _, err := h.try("systemctl", "start", name); err == nil {
				t.Errorf("%s: started", tt.dropin)
			}
			if out := h.journal(name); !strings.Contains(out, "assert: "+tt.why) {
				t.Errorf("%s: no %q in the journal:\n%s", tt.dropin, tt.why, out)
			}
			h.run("systemctl", "stop", name)
			h.run("rm", "-r", "/run/systemd/system/"+name+".d")
		})
	}
	h.run("systemctl", "daemon-reload")
	for _, key := range []string{"lead", "worker", "admin"} { // else the tests above prove nothing
		h.run("systemctl", "start", string(m.AgentUnit(key)))
	}
}

const noFilters = "SystemCallFilter=\nSystemCallArchitectures=\nRestrictAddressFamilies=\nRestrictNamespaces=no\n" +
	"RestrictRealtime=no\nRestrictSUIDSGID=no\nLockPersonality=no\nPrivateDevices=no\nProtectClock=no\n" +
	"ProtectKernelTunables=no\nProtectKernelModules=no\nProtectKernelLogs=no\nProtectHostname=no"
