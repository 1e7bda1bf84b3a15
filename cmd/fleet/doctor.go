package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fleet/activate/doctor"
	"fleet/activate/system"
	"fleet/generate/spec"
	"fleet/schemas/manifest"
)

func newDoctorCmd(a *app) *cobra.Command {
	var fix bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this host lacks, and install it",
		Long: `Doctor looks for everything that fleet needs of this host and names the package that brings what is missing. With
--fix it installs these packages (Debian, Ubuntu, Fedora, Arch), and Claude Code where agents of the newest build run it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := doctor.Host()
			e.Harnesses = a.builtHarnesses()
			found := doctor.Check(cmd.Context(), e)
			if fix && len(found) > 0 {
				if err := doctor.Fix(cmd.Context(), system.Default(), e, found); err != nil {
					return err
				}
				found = doctor.Check(cmd.Context(), e)
			}
			if err := a.result(found, doctor.Text(e, found)); err != nil {
				return err
			}
			if !doctor.Fit(found) {
				return withStatus(exitFailed, nil)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "install what is missing")
	return cmd
}

// builtHarnesses returns the programs that the agents of the newest build run, none where nothing was built.
func (a *app) builtHarnesses() []doctor.HarnessProgram {
	m, err := manifest.Read(a.path("generations/latest"))
	if err != nil {
		return nil
	}
	var out []doctor.HarnessProgram
	seen := map[string]bool{}
	for _, agent := range m.Agents {
		if agent.Program != "" && agent.Enabled && !seen[agent.Program] {
			seen[agent.Program] = true
			recipe, err := spec.Recipe(agent.Program)
			trusted := err == nil && recipe != "" && recipe == agent.Install
			out = append(out, doctor.HarnessProgram{Program: agent.Program, Install: agent.Install, Trusted: trusted})
		}
	}
	return out
}

// fit proves that this host can run a trial, and installs what is missing after asking.
func (a *app) fit(ctx context.Context, t *tryFlags) error {
	e := doctor.Host()
	e.Try = true
	found := doctor.Check(ctx, e)
	if commands := doctor.Commands(e, found); len(commands) > 0 && !t.check {
		fmt.Fprintln(a.err, doctor.Text(e, found))
		if !t.yes && !a.agrees("Install them?") {
			return withStatus(exitRefused, errors.New("nothing was installed\n  hint: install them, or run again with --yes"))
		}
		if err := doctor.Fix(ctx, system.Default(), e, found); err != nil {
			return err
		}
		found = doctor.Check(ctx, e)
	}
	if !doctor.Fit(found) {
		return withStatus(exitRefused, errors.New(doctor.Text(e, found)))
	}
	if t.check {
		return a.result(found, "this host can run a trial")
	}
	return nil
}

// agrees asks a question on the terminal; without one the answer is no.
func (a *app) agrees(question string) bool {
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return false
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

func hostTarget() string { return runtime.GOOS + "/" + runtime.GOARCH }
