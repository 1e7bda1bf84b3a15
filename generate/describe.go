package generate

import (
	"fmt"
	"strings"
	"time"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/generate/spec"
	"fleet/generate/unit"
	"fleet/schemas/manifest"
)

// Describe returns the manifest of a rendered fleet, but for its files and its id.
func Describe(m *model.Fleet, t *artifact.Tree, loaded *spec.Result, target string) manifest.Manifest {
	out := manifest.Manifest{
		Tool: manifest.Tool, Target: target, Project: m.Project, Spec: loaded.Digests, Table: m.Table(),
		Groups: []string{m.Operators}, UIDs: [2]int{m.UIDs.From, m.UIDs.To}, Retention: m.Retention.Generations,
		Users: []manifest.User{}, Agents: []manifest.Agent{}, Units: t.Units(),
		Activation: manifest.Activation{
			Health: seconds(m.Activation.Health), Deadman: seconds(m.Activation.Deadman), Job: seconds(m.Activation.Job),
		},
	}
	for _, a := range m.Agents {
		out.Users = append(out.Users, manifest.User{Name: a.User, UID: a.UID, Home: a.Home(), Agent: a.Key},
			manifest.User{Name: a.GateUser, UID: a.GateUID, Home: manifest.NoHome, Agent: a.Key, Gate: true})
		out.Agents = append(out.Agents, agent(m, a))
	}
	for i := range m.Sidecars {
		a := &m.Sidecars[i].Box
		out.Users = append(out.Users, manifest.User{Name: a.User, UID: a.UID, Home: a.Home(), Agent: a.Key},
			manifest.User{Name: a.GateUser, UID: a.GateUID, Home: manifest.NoHome, Agent: a.Key, Gate: true})
		out.Sidecars = append(out.Sidecars, sidecarOf(m, &m.Sidecars[i]))
	}
	for _, s := range m.Secrets {
		out.Secrets = append(out.Secrets, manifest.Secret{
			Name: s.Name, Disposition: s.Disposition, Agents: orNone(s.Agents), Hosts: orNone(s.Hosts), Place: s.Place,
		})
	}
	return out
}

func sidecarOf(m *model.Fleet, s *model.Sidecar) manifest.Sidecar {
	out := manifest.Sidecar{
		Name: s.Name, Key: s.Box.Key, User: s.Box.User, Unit: string(m.AgentUnit(s.Box.Key)), Agents: []string{},
		Secrets: orNone(s.Secrets), Offers: s.Offers(),
	}
	if command := s.Config.Tool.Command; len(command) > 0 {
		out.Program = command[0]
	}
	for _, c := range s.Callers {
		out.Agents = append(out.Agents, c.Key)
	}
	return out
}

// orNone returns a list that JSON has as [] where there is nothing.
func orNone(list []string) []string { return append([]string{}, list...) }

func seconds(d time.Duration) int { return int(d / time.Second) }

func agent(m *model.Fleet, a model.Agent) manifest.Agent {
	out := manifest.Agent{
		Key: a.Key, Name: a.Name, User: a.User, Enabled: a.Enabled, Isolation: string(a.Isolation),
		Harness: a.Harness.Name, Program: a.Harness.Program, Install: a.Harness.Install, OnChange: a.OnChange,
		Session: seconds(a.Session), Sudo: a.Sudo, Signing: a.Git.Signing, Limits: limits(a.Limits),
		PermissionMode: a.Permissions.Mode,
	}
	out.Login = len(a.Harness.Login) > 0
	if a.Enabled {
		out.Unit = string(m.AgentUnit(a.Key))
	}
	for _, mount := range a.Mounts {
		mode := "rw"
		if mount.RO {
			mode = "ro"
		}
		out.Mounts = append(out.Mounts, mount.Source+" "+mount.Target+" "+mode)
	}
	if p := a.LocalPorts; p != nil {
		out.Ports = fmt.Sprintf("%d-%d", p.From, p.To)
	}
	if a.Systemd.Unsafe {
		out.Unsafe = unit.Loosened(a.Systemd)
	}
	for _, s := range a.Schedules {
		out.Schedules = append(out.Schedules, s.Name)
	}
	return out
}

// limits returns the limits that are set, in systemd's units.
func limits(l model.Limits) map[string]string {
	out := map[string]string{"tasks": fmt.Sprint(l.Tasks), "files": fmt.Sprint(l.Files)}
	for name, n := range map[string]uint64{
		"memory": l.Memory, "memoryHigh": l.MemoryHigh, "shm": l.Shm, "tmp": l.Tmp, "disk": l.Disk,
	} {
		if n > 0 {
			out[name] = fmt.Sprint(n)
		}
	}
	if l.CPUQuota != "" {
		out["cpu"] = strings.TrimSpace(l.CPUQuota)
	}
	return out
}
