package manifest

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Limits of what a generation may hold. They keep a hostile build folder from filling a host's disk or memory, and are
// far above a fleet of ten thousand agents.
const (
	MaxManifest = 128 << 20 // bytes of manifest.json
	MaxFiles    = 500_000
	MaxFile     = 256 << 20 // bytes of one file: a daemon is 10 to 30 MiB
	MaxTotal    = 2 << 30   // bytes of all files
	maxPath     = 512
	maxName     = 255 // NAME_MAX of Linux file systems
	maxDepth    = 8
)

// CheckPath refuses a path that could leave the tree or that a line-based list cannot hold. A backslash is allowed in
// unit names only, where systemd's escaping needs it.
func CheckPath(p string) error {
	if p == "" || path.IsAbs(p) || path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../") {
		return fmt.Errorf("path %q must be relative, clean and inside the tree", p)
	}
	for i := range len(p) {
		if c := p[i]; c <= ' ' || c > 0x7e || c == '\\' && !strings.HasPrefix(p, "units/") {
			return fmt.Errorf("path %q must be of plain ASCII characters", p)
		}
	}
	parts := strings.Split(p, "/")
	if len(p) > maxPath || len(parts) > maxDepth {
		return fmt.Errorf("path %q must have at most %d characters and %d parts", p, maxPath, maxDepth)
	}
	for _, name := range parts {
		if len(name) > maxName {
			return fmt.Errorf("path %q must have names of at most %d characters", p, maxName)
		}
	}
	return nil
}

var linkPath = regexp.MustCompile(`^units/[^/]+\.(wants|requires)/[^/]+$`)

// LinkedUnit returns the path of the unit that a link of the generation names. The only links that a generation may
// hold are units/NAME.wants/UNIT -> ../UNIT (or requires), since the systemd generator copies them as they are.
func LinkedUnit(p, target string) (string, error) {
	name, ok := strings.CutPrefix(target, "../")
	if !ok || name == "" || strings.Contains(name, "/") || name == ".." || !linkPath.MatchString(p) {
		return "", fmt.Errorf("link %q -> %q must be units/NAME.wants/UNIT -> ../UNIT", p, target)
	}
	unit := "units/" + name
	return unit, CheckPath(unit)
}
