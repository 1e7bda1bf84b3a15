package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/activate/vault"
	"fleet/schemas/manifest"
	"fleet/schemas/policy"
)

func newSecretCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Keep the values of secrets, encrypted on this host",
		Long: `Secret keeps the values of a project's secrets in /var/lib/fleet/PROJECT/secrets, each encrypted by systemd-creds with
this host's key, and with its TPM where it has one. No value is ever on a command line, in a log or in a generation.

A value has 8 bytes to 64 KiB, of whatever kind. One that stands in the live generation, or in the build that is here, is
refused: anyone may read it there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretSetCmd(a), newSecretListCmd(a), newSecretRmCmd(a), newSecretRotateCmd(a), newSecretImportCmd(a),
		newSecretEditCmd(a))
	return cmd
}

// secretHost is a project's vault and what uses it.
type secretHost struct {
	hostView
	fx    system.Effects
	vault *vault.Vault
	live  *manifest.Manifest // nil where nothing is live
	uses  []vault.Use        // of the live generation
	build string             // folder of the build that is here, "" where there is none of this project
	known []string           // names of secrets, of the live generation and of the build
}

// secrets returns the vault of the project that the command acts on. It needs root.
func (a *app) secrets(command string) (*secretHost, error) {
	if a.project != "" && !projectForm.MatchString(a.project) {
		return nil, usage(fmt.Errorf("--project %q must be 1 to 12 lower-case letters and digits that begin with a letter",
			a.project))
	}
	if err := needRoot("secret " + command); err != nil {
		return nil, err
	}
	dir, built := a.builtHere()
	project, err := a.secretProject(built)
	if err != nil {
		return nil, err
	}
	return a.vaultOf(project, dir, built)
}

// vaultOf returns the vault of a project. built is the build in dir, nil where none is here.
func (a *app) vaultOf(project, dir string, built *manifest.Manifest) (*secretHost, error) {
	vault.Guard()
	fx := system.Default()
	var err error
	h := &secretHost{hostView: a.host(project), fx: fx}
	h.vault = vault.New(h.Profile, fx, vault.Creds{FX: fx})
	if n := h.active(); n != 0 {
		if h.live, err = h.Read(n); err != nil {
			return nil, err
		}
		if h.uses, err = usesIn(h.Generation(n), h.live); err != nil {
			return nil, err
		}
	}
	h.known = vault.Secrets(h.uses)
	if built != nil && built.Project == project {
		h.build = dir
		uses, err := usesIn(dir, built)
		if err != nil {
			return nil, err
		}
		h.known = append(h.known, vault.Secrets(uses)...)
	}
	slices.Sort(h.known)
	h.known = slices.Compact(h.known)
	return h, nil
}

func usesIn(dir string, m *manifest.Manifest) ([]vault.Use, error) {
	set, err := unitfile.Load(os.DirFS(filepath.Join(dir, "units")))
	if err != nil {
		return nil, err
	}
	return vault.Uses(set, m), nil
}

// builtHere returns the newest build of the folder that the command works in, proved as a switch proves it, nil where
// there is none.
func (a *app) builtHere() (string, *manifest.Manifest) {
	dir, err := filepath.Abs(a.path("generations/latest"))
	if err != nil {
		return "", nil
	}
	if _, err := os.Stat(dir); err != nil {
		return "", nil
	}
	m, err := profile.New(profile.Layout{}, nil).Inspect(profile.Source{Path: dir, Invoker: invoker()})
	if err != nil {
		a.log.Debugf("the build in %s is not looked at: %v", dir, err)
		return "", nil
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", nil
	}
	return dir, m
}

// projectForm is what a project may be called.
var projectForm = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

// secretProject returns the project that is meant: values are set before its first switch, too.
func (a *app) secretProject(built *manifest.Manifest) (string, error) {
	all, err := profile.Layout{}.Projects()
	if err != nil {
		return "", err
	}
	if built != nil && !slices.Contains(all, built.Project) {
		all = append(all, built.Project)
	}
	switch {
	case a.project != "":
		if !slices.Contains(all, a.project) {
			a.log.Infof("this host has no project %s yet%s", a.project, listed(all))
		}
		return a.project, nil
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", withStatus(exitRefused, errors.New("this host runs no fleet, and there is no build here\n"+
			"  hint: fleet build first, or name the project with --project"))
	}
	return "", usage(fmt.Errorf("there are several projects, name one with --project%s", listed(all)))
}

// checkSecretName refuses what can be no name, and says what may have been meant.
func checkSecretName(name string, known []string) error {
	if policy.IsSecretName(name) {
		return nil
	}
	hint := vault.NameRule
	if near := vault.Nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	} else if upper := strings.ToUpper(strings.ReplaceAll(name, "-", "_")); policy.IsSecretName(upper) {
		hint = "did you mean " + upper + "?"
	}
	return usage(fmt.Errorf("%q must be the name of a secret\n  hint: %s", name, hint))
}

// mind says where a value will be of no use.
func (a *app) mind(h *secretHost, name string) {
	if slices.Contains(h.known, name) || h.live == nil && h.build == "" {
		return
	}
	text := "nothing in the live generation uses " + name
	if h.build != "" {
		text = "nothing in the live generation or in the build here uses " + name
	}
	if near := vault.Nearest(name, h.known); near != "" {
		text += ": did you mean " + near + "?"
	}
	a.log.Warn(text)
}

// locked takes the project's lock for as long as f runs: a switch may be under way.
func (h *secretHost) locked(command string, f func() error) error {
	lock, err := h.Lock(holder("secret " + command))
	if err != nil {
		return withStatus(exitRefused, err)
	}
	defer lock.Release() //nolint:errcheck // the kernel lets go in any case
	return f()
}

// absent refuses values that can be read in what is live, boots, or is built here.
func (h *secretHost) absent(entries []vault.Entry) error {
	dirs := []string{filepath.Join(h.Dir(), "boot"), h.build}
	if n := h.active(); n != 0 {
		dirs = append(dirs, h.Generation(n))
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		if err := vault.Absent(dir, entries); err != nil {
			return err
		}
	}
	return nil
}

// secretDone is the result of a command that changed values.
type secretDone struct {
	Changed   []string `json:"changed"`
	Unchanged []string `json:"unchanged"`
	Left      []string `json:"left,omitempty"` // names of a file that were not taken
	vault.Done
}

// spread restarts the users of changed secrets, or stops them.
func (h *secretHost) spread(ctx context.Context, names []string, kind string) (vault.Done, error) {
	uses := vault.Of(h.uses, names...)
	if len(uses) == 0 {
		return vault.Done{Restarted: []string{}, Waiting: []string{}}, nil
	}
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return vault.Done{}, err
	}
	defer sd.Close()
	limit := time.Duration(h.live.Activation.Job) * time.Second
	return vault.Spread(ctx, sd, h.fx, uses, kind, limit)
}

// tellSpread prints what was changed and who has it. Where a restart failed the value stays: the cause may lie elsewhere.
func (a *app) tellSpread(done secretDone, did string, failed error) error {
	var lines []string
	if len(done.Changed) > 0 {
		lines = append(lines, strings.Join(done.Changed, ", ")+": "+did)
	}
	if len(done.Unchanged) > 0 {
		lines = append(lines, strings.Join(done.Unchanged, ", ")+": is so already, nothing was changed")
	}
	if len(done.Restarted) > 0 {
		lines = append(lines, "restarted: "+strings.Join(done.Restarted, ", "))
	}
	if len(done.Stopped) > 0 {
		lines = append(lines, "stopped, and does not start without it: "+strings.Join(done.Stopped, ", "))
	}
	for _, key := range done.Waiting {
		lines = append(lines,
			fmt.Sprintf("agent %s has what it was started with until it starts again: sudo fleet restart %s", key, key))
	}
	if err := a.result(done, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if failed != nil {
		return withStatus(exitFailed, fmt.Errorf("%w\n"+
			"  hint: the change in the vault stays; mend the cause, then sudo systemctl restart the unit", failed))
	}
	return nil
}

// completeSecrets offers names for the first argument.
func (a *app) completeSecrets(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || os.Geteuid() != 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	h, err := a.secrets("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	have, err := h.vault.Names()
	if err != nil {
		return h.known, cobra.ShellCompDirectiveNoFileComp
	}
	all := append(have, h.known...)
	slices.Sort(all)
	return slices.Compact(all), cobra.ShellCompDirectiveNoFileComp
}
