package lint

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/activate/system"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// batch is how many units systemd-analyze is given at once: more would not fit into an argument list (execve(2)).
const batch = 2000

// anchorText stands in for the anchor, which systemd's generator writes and no generation holds.
const anchorText = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"

// units asks systemd's own parser. Its exit status is 0 for an unknown key, so every line about the generation counts;
// what it says of the host's other units does not.
func units(ctx context.Context, q Question) (report.Report, error) {
	var r report.Report
	dir, err := os.MkdirTemp("", "fleet-lint-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	files, err := layOut(q, dir)
	if err != nil {
		return r, err
	}
	seen := map[string]bool{}
	for chunk := range slices.Chunk(files, batch) {
		for _, line := range analyze(ctx, dir, chunk) {
			own := strings.Contains(line, dir) || strings.Contains(line, "fleet-"+q.Manifest.Project)
			if line = strings.ReplaceAll(line, dir+"/", "units/"); own && !seen[line] {
				seen[line] = true
				r.Errorf("", "%s", line)
			}
		}
	}
	return r, ctx.Err()
}

// layOut copies the units into dir, with a stand-in for the anchor, and returns the paths of those to be judged.
func layOut(q Question, dir string) ([]string, error) {
	for _, f := range q.Manifest.Files {
		rel, isUnit := strings.CutPrefix(f.Path, "units/")
		if !isUnit {
			continue
		}
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return nil, err
		}
		if err := place(q, filepath.Join(q.Dir, f.Path), to, f.Link); err != nil {
			return nil, err
		}
	}
	anchor := filepath.Join(dir, "fleet-"+q.Manifest.Project+"-anchor.service")
	if err := os.WriteFile(anchor, []byte(anchorText), 0o600); err != nil {
		return nil, err
	}
	var out []string
	for _, u := range q.Manifest.Units {
		if !isLive(q, u.Name) {
			out = append(out, filepath.Join(dir, u.Name))
		}
	}
	return out, nil
}

// isLive reports whether the live generation has the very same unit, which was judged on this host when it went live.
func isLive(q Question, name string) bool {
	if q.Live == "" {
		return false
	}
	was, err := os.ReadFile(filepath.Join(q.Live, "units", name))
	if err != nil {
		return false
	}
	is, err := os.ReadFile(filepath.Join(q.Dir, "units", name))
	return err == nil && string(was) == string(is)
}

// place copies a unit. What it runs is looked for where the copy's store is; the probes' program comes with the switch.
func place(q Question, from, to, link string) error {
	if link != "" {
		return os.Symlink(link, to)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	probe := filepath.Join("/var/lib/fleet", q.Manifest.Project, "probe")
	now := strings.NewReplacer(manifest.StoreDir+"/", q.Store+"/", probe+" ", "/bin/true ").Replace(string(text))
	return os.WriteFile(to, []byte(now), 0o600)
}

func analyze(ctx context.Context, dir string, files []string) []string {
	said, err := both(ctx, append([]string{
		"env", "SYSTEMD_UNIT_PATH=" + dir + ":", "SYSTEMD_LOG_TARGET=console",
		"SYSTEMD_LOG_LEVEL=info", "systemd-analyze", "verify", "--man=no", "--generators=no",
	}, files...)...)
	if said == "" && err != nil {
		return []string{dir + "/: " + err.Error()}
	}
	return strings.Split(said, "\n")
}

// both returns what a program says on either output, whatever its exit status.
func both(ctx context.Context, argv ...string) (string, error) {
	said, err := system.Output(ctx, append([]string{"/bin/sh", "-c", `exec "$@" 2>&1`, "sh"}, argv...)...)
	return strings.TrimSpace(said), err
}
