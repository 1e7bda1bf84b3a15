package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/machine"
	"fleet/generate"
	"fleet/generate/model"
	"fleet/generate/store"
	"fleet/schemas/fleet"
)

type tryFlags struct {
	build      buildFlags
	check      bool
	shell, yes bool
	harness    string
	root       string
}

func newTryCmd(a *app) *cobra.Command {
	var t tryFlags
	cmd := &cobra.Command{
		Use:   "try [-- COMMAND...]",
		Short: "Try the fleet in a throwaway machine",
		Long: `Try boots a throwaway systemd machine from this host's root file system, switches it to the spec with every agent's
harness replaced by the demo, tries as each agent what an agent must not be able to do, and that it reaches a web server
of the trial's which is listed, and shows the status. With a local chat it gives the team a task, and shows
what becomes of it. Nothing of it is left on this host. COMMAND runs in the machine at the end; --shell opens a shell there.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.try(cmd.Context(), &t, args) },
	}
	t.build.spec.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&t.check, "check", false, "only say whether this host can run a trial")
	f.BoolVar(&t.shell, "shell", false, "open a shell in the machine at the end")
	f.BoolVar(&t.yes, "yes", false, "install what is missing without asking")
	f.StringVar(&t.harness, "harness", demoHarness, "the harness that every agent runs")
	f.StringVar(&t.root, "root", "/", "boot this root file system instead of the host's")
	return cmd
}

func (a *app) try(ctx context.Context, t *tryFlags, command []string) error {
	if done, err := a.asRoot(ctx); done || err != nil {
		return err
	}
	if err := a.fit(ctx, t); err != nil || t.check {
		return err
	}
	t.build.target = hostTarget()
	c, err := a.trial(ctx, t)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fleet-try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := a.bootTrial(ctx, t, c, dir)
	if err != nil {
		return err
	}
	err = a.showTrial(ctx, m, c.Fleet, t, command)
	a.log.Info("taking the machine away")
	return errors.Join(err, m.Close())
}

// asRoot runs this very command through sudo where it is not root's, and reports whether it did.
func (a *app) asRoot(ctx context.Context) (bool, error) {
	if os.Geteuid() == 0 {
		return false, nil
	}
	self, err := os.Executable()
	if err != nil {
		return true, err
	}
	a.log.Info("a machine needs root to mount its file system: going on with sudo")
	cmd := exec.CommandContext(ctx, "sudo", append([]string{self}, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return true, withStatus(exit.ExitCode(), nil)
	}
	return true, err
}

// trial compiles the spec with the trial's harness, and leaves the lock of the project alone.
func (a *app) trial(ctx context.Context, t *tryFlags) (*generate.Compiled, error) {
	so, err := a.specOptions(&t.build.spec)
	if err != nil {
		return nil, err
	}
	so.Harness = t.harness
	locked, err := a.readLock(so.File)
	if err != nil {
		return nil, err
	}
	programs, done, err := a.programs(ctx, &t.build)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := generate.Compile(ctx, generate.Options{Spec: so, Lock: locked, Target: t.build.target, Programs: programs})
	if err != nil {
		return nil, err
	}
	a.warn(c.Report)
	a.log.Infof("compiled %s: %d agents, %d files, generation %s", c.Fleet.Project, len(c.Fleet.Agents),
		c.Sealed.Tree.Len(), c.Sealed.Manifest.ID.Short())
	return c, nil
}

// buildInside is where the machine finds the build.
const buildInside = "/root/generation"

// bootTrial boots a machine that sees the build and this very program. dir lives as long as the machine.
func (a *app) bootTrial(ctx context.Context, t *tryFlags, c *generate.Compiled, dir string) (*machine.Machine, error) {
	w, err := store.Write(dir, c.Sealed)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a.log.Info("booting a throwaway machine from " + t.root)
	return machine.Boot(ctx, machine.Options{
		Name: "fleet-try", Root: t.root, Files: []machine.File{{Outside: self, Inside: "/usr/local/bin/fleet"}},
		Binds: []machine.Bind{{Outside: w.Path, Inside: buildInside}},
	})
}

// sealTrial puts a value that opens nothing into the machine's vault for each secret.
func (a *app) sealTrial(ctx context.Context, m *machine.Machine, f *model.Fleet) error {
	for _, s := range f.Secrets {
		if s.Disposition == fleet.Absent {
			continue
		}
		cmd := m.Command(ctx, "fleet", "-q", "--project", f.Project, "secret", "set", s.Name)
		cmd.Stdin = strings.NewReader("fleet-test-" + rand.Text())
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("set a value for %s in the machine: %w\n%s", s.Name, err, out)
		}
	}
	return nil
}

// showTrial switches the machine and shows what a person wants to see of it.
func (a *app) showTrial(ctx context.Context, m *machine.Machine, f *model.Fleet, t *tryFlags, command []string) error {
	if err := a.startCanary(ctx, m); err != nil {
		return err
	}
	if err := a.sealTrial(ctx, m, f); err != nil {
		return err
	}
	a.log.Info("switching it")
	if err := a.inside(ctx, m, "fleet", "switch", "--no-confirm", buildInside+"/"); err != nil {
		return fmt.Errorf("switch in the machine: %w", err)
	}
	a.log.Info("trying, as each agent, what an agent must not be able to do")
	probeErr := a.inside(ctx, m, "fleet", probeCommand)
	probeErr = errors.Join(probeErr, a.askCanary(m, f))
	if err := a.giveTask(ctx, m, f); err != nil {
		return errors.Join(probeErr, err)
	}
	if err := a.inside(ctx, m, "fleet", "status"); err != nil {
		return fmt.Errorf("status in the machine: %w", err)
	}
	if len(command) > 0 {
		return errors.Join(probeErr, a.inside(ctx, m, command...))
	}
	if t.shell {
		a.log.Info("a shell in the machine; leave it with exit")
		return errors.Join(probeErr, a.inside(ctx, m, "/bin/bash"))
	}
	return probeErr
}

// inside runs a command in the machine with this command's streams.
func (a *app) inside(ctx context.Context, m *machine.Machine, argv ...string) error {
	cmd := m.Command(ctx, argv...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	return cmd.Run()
}
