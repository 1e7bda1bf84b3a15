package profile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fleet/schemas/report"
)

// maxLinks bounds the links in a path, as the kernel does (path_resolution(7)).
const maxLinks = 40

// trust says whose hand may be on a build folder and on the folders above it: root's and that of the person who called
// sudo. Whoever else could write there could exchange the build between its review and its switch.
type trust struct {
	root    string // prefix of the host's tree, where /etc/group lies
	invoker uint32
}

// openSource opens the folder at path, which must be absolute, one component at a time, none of them through a link
// that the kernel follows. A link is read and walked as well, so that generations/latest can be given.
func (t trust) openSource(path string) (*os.File, error) {
	parts := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	links := 0
	dir, err := openDir(unix.AT_FDCWD, "/", "/")
	if err != nil {
		return nil, err
	}
	if err := t.checkFolder(dir); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	for len(parts) > 0 {
		name := parts[0]
		parts = parts[1:]
		if name == "" || name == "." {
			continue
		}
		next, target, err := t.step(dir, name)
		if err == nil && target != "" {
			if links++; links > maxLinks {
				err = fmt.Errorf("%s has more than %d links", path, maxLinks)
			}
			next, parts, err = t.follow(dir, target, parts, err)
		}
		if err != nil {
			return nil, errors.Join(err, dir.Close())
		}
		if next != dir {
			dir.Close()
			dir = next
		}
	}
	return dir, nil
}

// step opens name in dir, or returns the target of the link that it is.
func (t trust) step(dir *os.File, name string) (next *os.File, target string, err error) {
	path := filepath.Join(dir.Name(), name)
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		if !t.may(st.Uid) {
			return nil, "", t.refuse(path, "is a link of user %d", st.Uid)
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(int(dir.Fd()), name, buf)
		if err != nil || n == 0 {
			return nil, "", &os.PathError{Op: "readlink", Path: path, Err: err}
		}
		return nil, string(buf[:n]), nil
	}
	if next, err = openDir(int(dir.Fd()), name, path); err != nil {
		return nil, "", err
	}
	if err := t.checkFolder(next); err != nil {
		return nil, "", errors.Join(err, next.Close())
	}
	return next, "", nil
}

// follow puts a link's target in front of the remaining parts, and goes back to the root for an absolute one.
func (t trust) follow(dir *os.File, target string, rest []string, err error) (*os.File, []string, error) {
	if err != nil {
		return dir, nil, err
	}
	parts := append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	if !filepath.IsAbs(target) {
		return dir, parts, nil
	}
	root, err := openDir(unix.AT_FDCWD, "/", "/")
	return root, parts, err
}

func openDir(at int, name, path string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func (t trust) may(uid uint32) bool { return uid == 0 || uid == t.invoker }

// checkFolder refuses a folder that somebody else can write. A sticky one such as /tmp passes, since nobody can
// exchange what another one owns in it, and what is opened in it is checked as well.
func (t trust) checkFolder(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if !t.may(st.Uid) {
		return t.refuse(f.Name(), "is owned by user %d", st.Uid)
	}
	if st.Mode&unix.S_ISVTX != 0 {
		return nil
	}
	if st.Mode&0o002 != 0 {
		return t.refuse(f.Name(), "can be written by every user")
	}
	if st.Mode&0o020 != 0 && (!t.private(st.Gid) || hasACL(f)) {
		return t.refuse(f.Name(), "can be written by group %d", st.Gid)
	}
	return nil
}

// hasACL reports an access list, whose further users stand behind the group's bits (acl(5)).
func hasACL(f *os.File) bool {
	n, err := unix.Fgetxattr(int(f.Fd()), "system.posix_acl_access", nil)
	return err == nil && n > 0
}

// private reports whether nobody but root and the invoker is in the group: the usual group of one's own that some
// systems give a user together with umask 002.
func (t trust) private(gid uint32) bool {
	if gid == 0 {
		return true
	}
	id := fmt.Sprint(gid)
	name, members, found := "", "", false
	for _, f := range fields(t.root + "/etc/group") {
		if len(f) > 3 && f[2] == id {
			name, members, found = f[0], f[3], true
		}
	}
	if !found || name == "" {
		return false
	}
	for _, f := range fields(t.root + "/etc/passwd") {
		if len(f) < 4 {
			continue
		}
		isMember := f[3] == id || strings.Contains(","+members+",", ","+f[0]+",")
		if isMember && f[2] != "0" && f[2] != fmt.Sprint(t.invoker) {
			return false
		}
	}
	return membersKnown(members, fields(t.root+"/etc/passwd"))
}

// membersKnown refuses a member that passwd does not have: who that is cannot be told.
func membersKnown(members string, passwd [][]string) bool {
	for _, m := range strings.Split(members, ",") {
		known := m == ""
		for _, f := range passwd {
			known = known || f[0] == m
		}
		if !known {
			return false
		}
	}
	return true
}

func fields(path string) [][]string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var out [][]string
	for _, line := range strings.Split(string(b), "\n") {
		out = append(out, strings.Split(line, ":"))
	}
	return out
}

func (t trust) refuse(path, format string, args ...any) error {
	var r report.Report
	r.Add(report.Entry{
		Where: path, Message: fmt.Sprintf(format, args...),
		Hint: "nobody but you and root may be able to write a build folder or one above it: copy it to where that holds",
	})
	return r.Err()
}
