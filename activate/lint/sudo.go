package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// fragmentName is the generation's rules for sudo.
func fragmentName(q Question) string { return "sudoers.d/" + q.Manifest.Project }

// sudo judges the generation's rules: alone, together with all others on the host, and by what they take from those
// who have rights now.
func sudo(ctx context.Context, q Question) (report.Report, error) {
	var r report.Report
	if _, err := os.Stat("/etc/sudoers.d"); err != nil {
		r.ErrorHint("sudo", "must be installed: operators get their rights through it", "install the package sudo")
		return r, nil
	}
	if _, err := os.Stat(filepath.Join(q.Dir, fragmentName(q))); err != nil {
		r.Errorf(fragmentName(q), "must be in the generation")
		return r, nil
	}
	stage, err := newStage(q)
	if err != nil {
		return r, err
	}
	defer stage.remove() //nolint:errcheck // a temporary folder
	if err := stage.valid(ctx, &r); err != nil || r.Failed() {
		return r, err
	}
	if err := content(ctx, q, &r); err != nil {
		return r, err
	}
	return r, stage.losses(ctx, &r)
}

// stage is the host's /etc/sudoers.d as it will be, to be seen by programs in a mount namespace of their own.
type stage struct {
	q   Question
	dir string
}

func newStage(q Question) (stage, error) {
	dir, err := os.MkdirTemp("", "fleet-sudoers-")
	s := stage{q: q, dir: dir}
	if err != nil {
		return s, err
	}
	entries, err := os.ReadDir("/etc/sudoers.d")
	if err != nil {
		return s, errors.Join(err, s.remove())
	}
	for _, e := range entries {
		if e.Name() == "fleet-"+q.Manifest.Project || !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/etc/sudoers.d", e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, e.Name()), text, 0o440)
		}
		if err != nil {
			return s, errors.Join(err, s.remove())
		}
	}
	line := "@includedir " + filepath.Join(q.Dir, "sudoers.d") + "\n"
	err = os.WriteFile(filepath.Join(dir, "fleet-"+q.Manifest.Project), []byte(line), 0o440)
	return s, errors.Join(err, os.Chmod(dir, 0o755)) //nolint:gosec // sudo wants it readable, and it is root's
}

func (s stage) remove() error { return os.RemoveAll(s.dir) }

// inside returns the command line that runs argv where /etc/sudoers.d is the stage.
func (s stage) inside(argv ...string) []string {
	return append([]string{
		"unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
		`mount --bind "$0" /etc/sudoers.d && exec "$@"`, s.dir,
	}, argv...)
}

// valid asks visudo about the whole set, with -s, since an undefined alias would make sudo refuse everybody.
func (s stage) valid(ctx context.Context, r *report.Report) error {
	fragment := filepath.Join(s.q.Dir, fragmentName(s.q))
	said, err := both(ctx, s.inside("visudo", "-s", "-c")...)
	if err != nil {
		before, hostErr := both(ctx, "visudo", "-s", "-c")
		if hostErr != nil && !strings.Contains(said, fragment) {
			r.ErrorHint("/etc/sudoers", "must be valid before a switch: "+flat(before), "run visudo -c and mend it")
			return ctx.Err()
		}
		r.Errorf(fragmentName(s.q), "must be valid together with the host's other rules: %s", flat(said))
		return ctx.Err()
	}
	if !strings.Contains(said, fragment) {
		r.ErrorHint("/etc/sudoers", "does not read /etc/sudoers.d, so operators would get no rights: "+flat(said),
			"add the line @includedir /etc/sudoers.d with visudo")
	}
	return nil
}

func flat(said string) string { return strings.Join(strings.Split(said, "\n"), "; ") }

// sudoersJSON is the part of cvtsudoers' output (cvtsudoers(1), -f json) that is looked at.
type sudoersJSON struct {
	Defaults []struct {
		Binding []any `json:"Binding"`
	} `json:"Defaults"`
	UserAliases    map[string]any    `json:"User_Aliases"`
	CommandAliases map[string][]item `json:"Command_Aliases"`
	UserSpecs      []struct {
		Users    []item `json:"User_List"`
		Commands []struct {
			Commands []item `json:"Commands"`
		} `json:"Cmnd_Specs"`
	} `json:"User_Specs"`
}

type item struct {
	Username  string `json:"username"`
	Usergroup string `json:"usergroup"`
	Command   string `json:"command"`
	Negated   bool   `json:"negated"`
}

// content refuses a fragment that says more than a fleet's can: settings for everybody, rights of users that are not
// the generation's, everything (ALL), or exceptions, which would take rights away that others give.
func content(ctx context.Context, q Question, r *report.Report) error {
	at := fragmentName(q)
	out, err := system.Output(ctx, "cvtsudoers", "-f", "json", filepath.Join(q.Dir, at))
	if err != nil {
		r.Errorf(at, "%v", err)
		return ctx.Err()
	}
	if strings.TrimSpace(out) == "" {
		return nil // a fragment without any rule
	}
	var f sudoersJSON
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		return fmt.Errorf("read the answer of cvtsudoers: %w", err)
	}
	for _, d := range f.Defaults {
		if len(d.Binding) == 0 {
			r.Errorf(at, "must not change settings for every user of the host")
		}
	}
	var commands []item
	for _, list := range f.CommandAliases {
		commands = append(commands, list...)
	}
	for _, spec := range f.UserSpecs {
		for _, u := range spec.Users {
			if u.Negated || !slices.Contains(q.Manifest.Groups, u.Usergroup) && !isUser(q.Manifest, u.Username) {
				r.Errorf(at, "must give rights to the generation's own users and groups only, not to %q", u.Username+u.Usergroup)
			}
		}
		for _, c := range spec.Commands {
			commands = append(commands, c.Commands...)
		}
	}
	for _, c := range commands {
		if c.Negated || c.Command == "ALL" {
			r.Errorf(at, "must list commands, not exceptions or everything: %q", c.Command)
		}
	}
	return nil
}

func isUser(m *manifest.Manifest, name string) bool {
	return slices.ContainsFunc(m.Users, func(u manifest.User) bool { return u.Name == name })
}
