package drift

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"fleet/activate/profile"
)

// sudoers compares the project's file for sudo with its one line. A file with another line may give operators or agents
// rights that no generation gives.
func (l *list) sudoers(p *profile.Profile) {
	const hint = "sudo fleet switch --force puts it back"
	path := p.Sudoers()
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.add(Sudoers, path, hint, "is missing: operators have no rights")
		return
	case err != nil:
		l.add(Sudoers, path, hint, "cannot be compared: %v", err)
		return
	}
	if !onlyIncludes(string(text), "/run/fleet/"+p.Project+"/active/sudoers.d") {
		l.add(Sudoers, path, hint, "has other lines than the one of fleet's")
	}
	st, err := os.Lstat(path)
	if err != nil || st.Mode() != 0o440 || st.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) { //nolint:gosec // a uid
		l.add(Sudoers, path, hint, "must be a file of root's with mode 0440")
	}
}

// onlyIncludes reports whether a file for sudo does nothing but include the folder.
func onlyIncludes(text, folder string) bool {
	found := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "#include") && !isID(line):
		case line == "@includedir "+folder && !found:
			found = true
		default:
			return false
		}
	}
	return found
}

// isID reports whether sudo reads a line that begins with # as a rule for a numbered user, see sudoers(5).
func isID(line string) bool {
	return len(line) > 1 && (line[1] >= '0' && line[1] <= '9' || line[1] == '-')
}
