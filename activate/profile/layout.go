// Package profile keeps a project's generations on a host: the folders, the links that say which one is live and which
// one boots, the store of what units run, the record of what was done, and the locks around all of it.
//
// At any instant `boot` names a complete generation or nothing, whatever is killed or loses power.
package profile

import (
	"path/filepath"
	"regexp"
	"strconv"

	"fleet/schemas/manifest"
)

// Layout names every path of a project on a host. Root is put before each of them, "" on the real one.
type Layout struct{ Project, Root string }

func (l Layout) at(parts ...string) string { return l.Root + filepath.Join(parts...) }

// Etc is the folder of all projects' generations. It lies on the root file system, since systemd runs generators before
// it mounts others.
func (l Layout) Etc() string { return l.at("/etc/fleet") }

// Dir is the project's folder in Etc.
func (l Layout) Dir() string { return l.at("/etc/fleet", l.Project) }

// Generations is the folder of the project's generations.
func (l Layout) Generations() string { return l.at("/etc/fleet", l.Project, "generations") }

// Generation is the folder of generation n.
func (l Layout) Generation(n int) string { return filepath.Join(l.Generations(), strconv.Itoa(n)) }

// Run is the project's folder in /run. Everything in it is gone after a reboot.
func (l Layout) Run() string { return l.at("/run/fleet", l.Project) }

// RunningUnits is where libexec/record writes which text of a unit runs.
func (l Layout) RunningUnits() string { return l.at("/run/fleet", l.Project, "units") }

// RunTxn is the folder of the revert script of one switch.
func (l Layout) RunTxn(nonce string) string { return l.at("/run/fleet", l.Project, "txn", nonce) }

// Revert is the copy of the revert script that the dead man runs, see install.Revert.
func (l Layout) Revert(nonce string) string { return filepath.Join(l.RunTxn(nonce), "revert") }

// Lost names the units, one a line, that systemd ended when it could not load a generation, see the revert script.
func (l Layout) Lost(nonce string) string { return filepath.Join(l.RunTxn(nonce), "lost") }

// LockFile is held by whoever changes the project.
func (l Layout) LockFile() string { return l.at("/run/fleet", "lock-"+l.Project) }

// StoreLockFile is held by whoever adds to the store or collects from it, of any project.
func (l Layout) StoreLockFile() string { return l.at("/run/fleet", ".lock") }

// Store is the folder of what units run and read, by content, shared by all projects.
func (l Layout) Store() string { return l.at(manifest.StoreDir) }

// State is the project's persistent folder.
func (l Layout) State() string { return l.at("/var/lib/fleet", l.Project) }

// StateFile is the project's history and marks.
func (l Layout) StateFile() string { return filepath.Join(l.State(), "state.json") }

// Txn is the folder of the records of unfinished switches.
func (l Layout) Txn() string { return filepath.Join(l.State(), "txn") }

// TxnFile is the record of one switch.
func (l Layout) TxnFile(nonce string) string { return filepath.Join(l.Txn(), nonce+".json") }

// TxnLines is what the revert script reads of it.
func (l Layout) TxnLines(nonce string) string { return filepath.Join(l.Txn(), nonce+".lines") }

// TxnResult is what the revert script writes when it is done: one word.
func (l Layout) TxnResult(nonce string) string { return filepath.Join(l.Txn(), nonce+".result") }

// Stopped is the flag of an agent that a person stopped.
func (l Layout) Stopped(agent string) string { return filepath.Join(l.State(), "stopped", agent) }

// Records is the agent's own folder of session records: untrusted, to be read through safefile.
func (l Layout) Records(agent string) string { return filepath.Join(l.State(), "records", agent) }

// AgentRun is root's folder for an agent in /run.
func (l Layout) AgentRun(agent string) string { return l.at("/run/fleet", l.Project, agent) }

// AgentOwn is the agent's own folder in /run: untrusted, to be read through safefile.
func (l Layout) AgentOwn(agent string) string { return filepath.Join(l.AgentRun(agent), "own") }

// EndFlag tells the agent's runner to end at its iteration boundary.
func (l Layout) EndFlag(agent string) string { return filepath.Join(l.AgentRun(agent), "end") }

// Sudoers is the one line that lets sudo read the live generation's rules.
func (l Layout) Sudoers() string { return l.at("/etc/sudoers.d", "fleet-"+l.Project) }

var numberForm = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)

// number returns the generation number that name is the usual form of.
func number(name string) (int, bool) {
	if !numberForm.MatchString(name) {
		return 0, false
	}
	n, err := strconv.Atoi(name)
	return n, err == nil
}
