package model

import (
	"cmp"
	"sort"
	"strings"
)

// Names of units, by project and agent. They are part of what users see and are never renamed.

// Unit returns the name fleet-PROJECT-SUFFIX.
func (f *Fleet) Unit(suffix string) UnitName { return UnitName("fleet-" + f.Project + "-" + suffix) }

// Target is the unit that pulls in all else.
func (f *Fleet) Target() UnitName { return UnitName("fleet-" + f.Project + ".target") }

// Slice holds every process of the project.
func (f *Fleet) Slice() UnitName { return UnitName("fleet-" + f.Project + ".slice") }

// GateSlice holds the gates. It lies in fleet.slice, by which the firewalls of other projects know that these are not
// theirs to judge, and not in Slice, whose processes reach nothing.
func (f *Fleet) GateSlice() UnitName { return UnitName("fleet-" + f.Project + "_gates.slice") }

// Anchor is the unit that proves the generation whole; every other unit requires it.
func (f *Fleet) Anchor() UnitName { return f.Unit("anchor.service") }

// Firewall is the unit that holds the nft table.
func (f *Fleet) Firewall() UnitName { return f.Unit("firewall.service") }

// WatchdogService and WatchdogTimer run the watchdog.
func (f *Fleet) WatchdogService() UnitName { return f.Unit("watchdog.service") }

// WatchdogTimer starts the watchdog.
func (f *Fleet) WatchdogTimer() UnitName { return f.Unit("watchdog.timer") }

// AgentUnit is the agent's own service.
func (f *Fleet) AgentUnit(key string) UnitName { return f.Unit(key + ".service") }

// NetUnit holds the agent's network namespace.
func (f *Fleet) NetUnit(key string) UnitName { return f.Unit(key + "-net.service") }

// GateSocket and GateService are the agent's way out.
func (f *Fleet) GateSocket(key string) UnitName { return f.Unit(key + "-gate.socket") }

// GateService runs the gate behind GateSocket.
func (f *Fleet) GateService(key string) UnitName { return f.Unit(key + "-gate.service") }

// CAUnit makes the trust bundle of an agent whose gate looks into TLS.
func (f *Fleet) CAUnit(key string) UnitName { return f.Unit(key + "-ca.service") }

// AttachUnit is the template that gives an operator the agent's terminal; its instance is the number of a pty.
func (f *Fleet) AttachUnit(key string) UnitName { return f.Unit(key + "-attach@.service") }

// LoginUnit is the template that runs the harness's own login; its instance is the number of a pty.
func (f *Fleet) LoginUnit(key string) UnitName { return f.Unit(key + "-login@.service") }

// ProbeUnit tries as the agent, in its sandbox, what an agent must not be able to do.
func (f *Fleet) ProbeUnit(key string) UnitName { return f.Unit(key + "-probe.service") }

// JobService is the service of a schedule.
func (f *Fleet) JobService(key, name string) UnitName {
	return f.Unit(key + "-job-" + name + ".service")
}

// JobTimer is the timer of a schedule.
func (f *Fleet) JobTimer(key, name string) UnitName { return f.Unit(key + "-job-" + name + ".timer") }

// SignSocket and SignService are the ssh-agent that signs for the agent.
func (f *Fleet) SignSocket(key string) UnitName { return f.Unit(key + "-sign.socket") }

// SignService runs the ssh-agent behind SignSocket.
func (f *Fleet) SignService(key string) UnitName { return f.Unit(key + "-sign.service") }

// Table is the nft table of the project, in family inet.
func (f *Fleet) Table() string { return "fleet_" + strings.ReplaceAll(f.Project, "-", "_") }

// Paths on a host.

// RunDir is the project's folder in /run.
func (f *Fleet) RunDir() string { return "/run/fleet/" + f.Project }

// StateDir is the project's persistent folder.
func (f *Fleet) StateDir() string { return "/var/lib/fleet/" + f.Project }

// ActiveDir is the link to the live generation.
func (f *Fleet) ActiveDir() string { return f.RunDir() + "/active" }

// AgentRun is root's folder for one agent, root:USER 0750: flags, queue, sockets. Its own/ is the agent's.
func (f *Fleet) AgentRun(key string) string { return f.RunDir() + "/" + key }

// AgentOwn is the agent's folder in /run: tmux socket, heartbeat, status.
func (f *Fleet) AgentOwn(key string) string { return f.AgentRun(key) + "/own" }

// AgentTerminals is the agent's own instance of devpts(4): it can take no terminal of the host's.
func (f *Fleet) AgentTerminals(key string) string { return f.RunDir() + "/pts/" + key }

// AgentRecords is the agent's persistent folder of session records and transcripts; the agent owns it.
func (f *Fleet) AgentRecords(key string) string { return f.StateDir() + "/records/" + key }

// ProbeProgram is the copy of the tool that the probe units run; the activator puts it there.
func (f *Fleet) ProbeProgram() string { return f.StateDir() + "/probe" }

// ProbeDir is root's folder for what the probe units print.
func (f *Fleet) ProbeDir() string { return f.RunDir() + "/probe" }

// The folders below are of the gates. Each agent has its own in them, but for CutDir and BypassDir, which hold a file
// for each that is cut off or let through.

// GatePolicyDir holds the policy in force; root puts it there before a gate starts or reads it again.
func (f *Fleet) GatePolicyDir(key string) string { return f.RunDir() + "/egress/policy/" + key }

// GateRunDir holds the gate's control socket; it is the gate's own.
func (f *Fleet) GateRunDir(key string) string { return f.RunDir() + "/egress/gate/" + key }

// BypassDir holds what lets an agent through for a while. It is gone after a reboot.
func (f *Fleet) BypassDir() string { return f.RunDir() + "/egress/bypass" }

// CutDir holds what cuts an agent off.
func (f *Fleet) CutDir() string { return f.StateDir() + "/egress/cut" }

// SidecarSocket is where one agent reaches a sidecar: by HTTP, in its own network namespace, and as by standard input
// and output.
func (f *Fleet) SidecarSocket(name, agent string) UnitName {
	return f.Unit(sidecarPrefix(name) + "-" + agent + ".socket")
}

func sidecarPrefix(name string) string {
	if name == ChatKey {
		return ChatKey
	}
	return "sidecar-" + name
}

// SecretFile is the vault's file of a secret, sealed for the host.
func (f *Fleet) SecretFile(name string) string { return f.StateDir() + "/secrets/" + name }

// GateStateDir keeps names and addresses, counts, budgets and the authority; it is the gate's own.
func (f *Fleet) GateStateDir(key string) string { return f.StateDir() + "/egress/gate/" + key }

// BundleDir holds the roots that an agent trusts, its gate's own among them; the gate writes it.
func (f *Fleet) BundleDir(key string) string { return f.StateDir() + "/egress/ca/" + key }

// LogNamespace is the journal of the gates' records, see systemd.exec(5).
func (f *Fleet) LogNamespace() string { return "fleet-" + f.Project }

// Agent returns the agent of that key, nil where there is none.
func (f *Fleet) Agent(key string) *Agent {
	i := sort.Search(len(f.Agents), func(i int) bool { return f.Agents[i].Key >= key })
	if i == len(f.Agents) || f.Agents[i].Key != key {
		return nil
	}
	return &f.Agents[i]
}

// Place is where the agent, or the sidecar, stands in a spec.
func (a *Agent) Place() string {
	return cmp.Or(a.At, "agents."+a.Key)
}

// Home is the agent's home.
func (a *Agent) Home() string { return "/home/" + a.User }

// File is the path inside the generation of a file that belongs to an agent, such as agents/lead/run.
func (a *Agent) File(name string) string { return "agents/" + a.Key + "/" + name }
