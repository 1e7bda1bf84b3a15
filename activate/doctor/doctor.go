// Package doctor finds what a host lacks for running a fleet, or for `fleet try`, and installs what packages can give.
// It needs no spec: what one generation asks of the host is the preflight's to say.
package doctor

import (
	"context"
	"maps"
	"slices"

	"fleet/schemas/report"
)

// Purpose is what a finding stands in the way of.
type Purpose string

// The purposes.
const (
	Switch  Purpose = "switch"  // activation, and the agents that it starts
	Try     Purpose = "try"     // the throwaway machine
	Harness Purpose = "harness" // an agent's own program
)

// Finding is one thing that is missing or unfit.
type Finding struct {
	Check    string            `json:"check"` // stable name, such as program.tmux
	Severity report.Severity   `json:"severity"`
	For      Purpose           `json:"for"`
	Message  string            `json:"message"`
	Hint     string            `json:"hint,omitempty"`
	Packages map[Family]string `json:"packages,omitempty"` // what to install, by family of distributions
	Fix      []string          `json:"fix,omitempty"`      // command that mends it on this host, empty where none does
}

// HarnessProgram is a program that agents run, and the command that installs it.
type HarnessProgram struct {
	Program, Install string
	Trusted          bool // Install is fleet's own recipe: Fix may run it as root. A spec's own is only shown.
}

// Env is the host as the checks see it.
type Env struct {
	// Look returns the path of a program that root would find.
	Look func(program string) (path string, ok bool)
	// Output runs a program that changes nothing and returns its standard output; an error holds what it said.
	Output func(ctx context.Context, argv ...string) (string, error)
	// Read returns a file's content.
	Read func(path string) (string, error)
	// FS tells about the file system of path, or where there is no such file, of the nearest folder above it.
	FS func(path string) (FS, error)
	// Generator proves that systemd runs fleet's generator; nil where that cannot be tried.
	Generator func(ctx context.Context) error
	// EUID is the effective user; some checks need root.
	EUID int
	// Try asks for the checks of the throwaway machine instead of those of a host that agents run on.
	Try bool
	// Harnesses are programs of agents, looked up as their units do.
	Harnesses []HarnessProgram
}

// FS is what matters of a file system.
type FS struct {
	Device     uint64
	NoExec     bool
	FreeBytes  uint64 // for users without privileges
	FreeInodes uint64 // the greatest number where there is no limit
}

// check looks for one kind of fault.
type check func(context.Context, Env) []Finding

// checks are all checks for a purpose, in the order of the output: a later one may fail because of an earlier one.
var checks = map[Purpose][]check{
	Switch: {
		privileges, pid1, systemdVersion, programs, cgroups, nftables, nat, roots, oneFileSystem, generatorFolder, generator,
		storeFolder, freeSpace, harnesses,
	},
	Try: {privileges, systemdVersion, programs, mountPrivilege, overlay, nftables, nat, roots, memory},
}

// Check returns what is wrong with the host, nothing where it is fit. It changes nothing.
func Check(ctx context.Context, e Env) []Finding {
	purpose := Switch
	if e.Try {
		purpose = Try
	}
	distro := family(e)
	var found []Finding
	for _, c := range checks[purpose] {
		for _, f := range c(ctx, e) {
			if f.For == "" {
				f.For = purpose
			}
			if f.Fix == nil && f.Packages[distro] != "" {
				f.Fix = installArgv(distro, f.Packages[distro])
			}
			found = append(found, f)
		}
	}
	return found
}

// Fit reports whether nothing in findings stands in the way; warnings do not.
func Fit(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == report.Error })
}

// Missing returns the packages to install on a host of the family, sorted and each once.
func Missing(findings []Finding, of Family) []string {
	set := map[string]bool{}
	for _, f := range findings {
		if p := f.Packages[of]; p != "" {
			set[p] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
