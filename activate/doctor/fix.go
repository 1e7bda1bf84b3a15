package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"fleet/activate/system"
)

// Family is a group of distributions that share a package manager and the names of packages.
type Family string

// The families that packages are named for.
const (
	Debian Family = "debian"
	Fedora Family = "fedora"
	Arch   Family = "arch"
)

// family reads os-release(5). It returns "" for a distribution of none of the families.
func family(e Env) Family {
	text, err := e.Read("/etc/os-release")
	if err != nil {
		return ""
	}
	var ids []string
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && (k == "ID" || k == "ID_LIKE") {
			ids = append(ids, strings.Fields(strings.Trim(v, `"'`))...)
		}
	}
	for _, f := range []struct {
		family Family
		ids    []string
	}{{Debian, []string{"debian", "ubuntu"}}, {Fedora, []string{"fedora", "rhel"}}, {Arch, []string{"arch"}}} {
		if slices.ContainsFunc(f.ids, func(id string) bool { return slices.Contains(ids, id) }) {
			return f.family
		}
	}
	return ""
}

// installArgv returns the command that installs packages without asking.
func installArgv(f Family, packages ...string) []string {
	switch f {
	case Debian:
		return append([]string{
			"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends",
		}, packages...)
	case Fedora:
		return append([]string{"dnf", "install", "--assumeyes"}, packages...)
	case Arch:
		return append([]string{"pacman", "--sync", "--needed", "--noconfirm"}, packages...)
	}
	return nil
}

// Commands returns what Fix runs for the findings, nothing where no package helps or the distribution is unknown.
func Commands(e Env, findings []Finding) [][]string {
	f := family(e)
	packages := Missing(findings, f)
	var out [][]string
	if len(packages) > 0 {
		if f == Debian { // a fresh image has no list of packages
			out = append(out, []string{"apt-get", "update"})
		}
		if argv := installArgv(f, packages...); argv != nil {
			out = append(out, argv)
		}
	}
	for _, found := range findings {
		if found.For == Harness && len(found.Fix) > 0 {
			out = append(out, found.Fix)
		}
	}
	return out
}

// Fix installs the packages that the findings name, and the programs of harnesses for which fleet has a recipe. What then is still wrong a new Check tells. It needs root.
func Fix(ctx context.Context, fx system.Effects, e Env, findings []Finding) error {
	commands := Commands(e, findings)
	if len(commands) == 0 {
		return nil
	}
	if e.EUID != 0 {
		return errors.New("installing packages needs root; run sudo fleet doctor --fix")
	}
	for _, argv := range commands {
		what := "run " + strings.Join(argv, " ")
		if argv[0] == "/bin/sh" {
			what = "run a harness's recipe"
		}
		if err := system.Run(ctx, fx, what, argv...); err != nil {
			return err
		}
	}
	return nil
}
