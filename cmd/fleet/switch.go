package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/detach"
	"fleet/activate/preflight"
	"fleet/activate/profile"
	"fleet/schemas/manifest"
)

type switchFlags struct {
	dryRun, noConfirm, boot, now, force bool
	confirm                             time.Duration
}

func newSwitchCmd(a *app) *cobra.Command {
	var s switchFlags
	cmd := &cobra.Command{
		Use:   "switch [GENERATION]",
		Short: "Switch this host to a generation",
		Long: `Switch makes GENERATION live on this host, watches its health and makes it the boot default; whatever fails on the
way, the generation before comes back. GENERATION is a build folder (anything with a slash; default
generations/latest), or the number or the beginning of the id of a generation that the host holds.

The work runs apart from this terminal: Ctrl-C or a lost connection leaves it running, the same command shows it
again, and fleet abort takes it back.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.switchTo(cmd, args, &s) },
	}
	f := cmd.Flags()
	f.BoolVar(&s.dryRun, "dry-run", false, "check all and show the plan; change nothing; exit 4 where changes are pending")
	f.DurationVar(&s.confirm, "confirm", 0, "go back unless `fleet confirm` is run within this `time`")
	f.BoolVar(&s.noConfirm, "no-confirm", false, "do not ask for a confirmation, though this is a remote session")
	f.BoolVar(&s.boot, "boot", false, "only make it the boot default")
	f.BoolVar(&s.now, "now", false, "restart changed agents at once, without waiting for their sessions")
	f.BoolVar(&s.force, "force", false, "take a generation that failed on this host before")
	return cmd
}

func (a *app) switchTo(cmd *cobra.Command, args []string, s *switchFlags) error {
	if s.confirm > 0 && s.noConfirm || s.dryRun && s.boot {
		return usage(errors.New("--confirm and --no-confirm, or --dry-run and --boot, exclude each other"))
	}
	if s.confirm < 0 {
		return usage(errors.New("--confirm must be a time to come, such as 60s"))
	}
	if err := needRoot("switch"); err != nil {
		return err
	}
	req := detach.Request{Kind: detach.Switch, Confirm: s.confirm, Boot: s.boot, Now: s.now, Force: s.force}
	m, err := a.target(&req, args)
	if err != nil {
		return err
	}
	if err := a.bringAge(cmd.Context(), &req, m, s.dryRun); err != nil {
		return err
	}
	h := a.host(req.Project)
	if live, err := h.isLive(m, s); err != nil || live != "" {
		if err != nil {
			return err
		}
		return a.result(detach.Result{ID: string(m.ID), Message: live}, live)
	}
	if err := a.wantConfirm(cmd, h, s); err != nil {
		return err
	}
	if s.dryRun {
		return a.dryRun(cmd.Context(), h, req)
	}
	return a.detached(cmd.Context(), h, req)
}

// needRoot refuses a command of the activator's side for anybody else.
func needRoot(command string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return withStatus(exitRefused, fmt.Errorf("fleet %s needs root\n  hint: sudo fleet %s", command, strings.Join(os.Args[1:], " ")))
}

// target completes the request by what args ask for, and returns its manifest.
func (a *app) target(req *detach.Request, args []string) (*manifest.Manifest, error) {
	arg := "generations/latest"
	if len(args) == 1 {
		arg = args[0]
	}
	if strings.Contains(arg, "/") {
		return a.buildFolder(req, arg)
	}
	project, err := a.hostProject()
	if err != nil {
		return nil, err
	}
	p := profile.New(profile.Layout{Project: project}, nil)
	n, err := p.Find(arg)
	if err != nil {
		return nil, withStatus(exitRefused, err)
	}
	m, err := p.Read(n)
	if err != nil {
		return nil, err
	}
	req.Project, req.Number, req.ID = project, n, string(m.ID)
	return m, nil
}

// buildFolder completes the request by a build folder.
func (a *app) buildFolder(req *detach.Request, arg string) (*manifest.Manifest, error) {
	path, err := filepath.Abs(a.path(arg))
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, withStatus(exitRefused, fmt.Errorf("there is no generation at %s\n  hint: run fleet build", arg))
	}
	if err != nil {
		return nil, err
	}
	req.Source, req.Invoker = path, invoker()
	m, err := manifest.Read(path)
	if err != nil {
		return nil, withStatus(exitRefused, fmt.Errorf("%s: %w", arg, err))
	}
	if a.project != "" && a.project != m.Project {
		return nil, usage(fmt.Errorf("%s is of project %s, not of %s", arg, m.Project, a.project))
	}
	req.Project, req.ID = m.Project, string(m.ID)
	return m, nil
}

// invoker returns the uid of the person who called sudo, 0 for root itself. The profile compares it with the folder's
// owner, so that the variable alone gives nobody anything.
func invoker() int {
	uid, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	if err != nil || uid < 0 {
		return 0
	}
	return uid
}

// wantConfirm refuses the first switch over a network connection that nobody would notice to have cut.
func (a *app) wantConfirm(cmd *cobra.Command, h hostView, s *switchFlags) error {
	if s.confirm > 0 || s.noConfirm || s.dryRun || s.boot || h.active() != 0 {
		return nil
	}
	if !preflight.Remote(cmd.Context(), "", os.Getpid()) {
		return nil
	}
	return withStatus(exitRefused, errors.New("the first switch of a host over a remote session must be confirmed\n"+
		"  hint: add --confirm 60s and run `fleet confirm` from a new connection, or --no-confirm"))
}
