package lint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// memberLimit bounds how many members of a group are asked about: they have the same rights but for what an
// administrator gives to single ones.
const memberLimit = 50

// losses reports every right that a member of the operators' group has now and would not have with the generation:
// those that others give, and those over agents that the generation still has.
func (s stage) losses(ctx context.Context, r *report.Report) error {
	if s.q.Live == "" {
		return nil
	}
	live, err := manifest.Read(s.q.Live)
	if err != nil {
		return err
	}
	for _, group := range live.Groups {
		if !slices.Contains(s.q.Manifest.Groups, group) {
			continue // the spec names other operators now
		}
		members := members(ctx, group)
		for _, user := range members[:min(len(members), memberLimit)] {
			before, err := s.rights(ctx, user, false)
			if err != nil {
				return err
			}
			after, err := s.rights(ctx, user, true)
			if err != nil {
				return err
			}
			for _, lost := range lost(live, s.q.Manifest, before, after) {
				r.Errorf(fragmentName(s.q), "would take from %s of group %s: %s", user, group, lost)
			}
		}
	}
	return nil
}

func members(ctx context.Context, group string) []string {
	out, err := system.Output(ctx, "getent", "group", group)
	f := strings.Split(strings.TrimSpace(out), ":")
	if err != nil || len(f) < 4 || f[3] == "" {
		return nil // there is no such group, or nobody in it, who could lose something
	}
	return strings.Split(f[3], ",")
}

// right is one line of what sudo lists: whom the command runs as, with which options, and the command.
type right struct{ as, options, command string }

// rights asks sudo itself what a user may run.
func (s stage) rights(ctx context.Context, user string, staged bool) ([]right, error) {
	argv := []string{"sudo", "-n", "-ll", "-U", user}
	if staged {
		argv = s.inside(argv...)
	}
	out, err := system.Output(ctx, argv...)
	if err != nil {
		return nil, fmt.Errorf("ask sudo about %s: %w", user, err)
	}
	return parseRights(out), nil
}

// parseRights reads the output of `sudo -ll`: entries of "Key: value" lines, the commands each on an own line behind a
// tab.
func parseRights(out string) []right {
	var rights []right
	var now right
	for _, line := range strings.Split(out, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.HasPrefix(line, "Sudoers entry"):
			now = right{}
		case strings.HasPrefix(line, "\t"):
			now.command = strings.TrimSpace(line)
			rights = append(rights, now)
		case key == "RunAsUsers" || key == "RunAsGroups":
			now.as += value + ";"
		case key == "Options":
			now.options = value
		}
	}
	return rights
}

// lost returns what is in before and neither in after itself nor there with the new name that its file has. Whatever
// after forbids is lost as well: sudo lists what is forbidden beside what it overrides.
func lost(live, next *manifest.Manifest, before, after []right) []string {
	oldNames, newNames := storeNames(live, false), storeNames(next, true)
	var out []string
	for _, a := range after {
		if strings.HasPrefix(a.command, "!") && !slices.Contains(before, a) {
			out = append(out, a.command)
		}
	}
	for _, b := range before {
		path, args, _ := strings.Cut(b.command, " ")
		file, ours := oldNames[path]
		want := b
		if ours {
			now, kept := newNames[file]
			if !kept {
				continue // the agent or the verb is gone, and the right with it
			}
			want.command = strings.TrimSpace(now + " " + args)
		}
		if !slices.ContainsFunc(after, want.keptBy) {
			out = append(out, b.command)
		}
	}
	return out
}

// keptBy reports whether a gives what r gave: the same command as the same user, and without a password if it was.
// Other options differ between versions of the tool.
func (r right) keptBy(a right) bool {
	const free = "!authenticate"
	same := a.command == r.command && a.as == r.as
	return same && (!strings.Contains(r.options, free) || strings.Contains(a.options, free))
}

// storeNames maps the store paths of operators' scripts to their files, or the other way round, for enabled agents.
func storeNames(m *manifest.Manifest, back bool) map[string]string {
	enabled := map[string]bool{}
	for _, a := range m.Agents {
		enabled[a.Key] = a.Enabled
	}
	out := map[string]string{}
	for _, f := range m.Files {
		parts := strings.Split(f.Path, "/")
		if len(parts) != 4 || parts[0] != "agents" || parts[2] != "ops" || !enabled[parts[1]] || f.Store == "" {
			continue
		}
		path := manifest.StoreDir + "/" + f.Store
		if back {
			out[f.Path] = path
		} else {
			out[path] = f.Path
		}
	}
	return out
}
