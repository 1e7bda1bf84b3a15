package doctor

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fleet/activate/system"
)

// searchDirs is where root finds programs, whatever PATH the caller has; the agents' first, so that a program that
// they find too is known by that path.
var searchDirs = []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"}

// Host returns this host.
func Host() Env {
	return Env{
		Look: look, Output: output, Read: read, FS: statfs, Generator: forRoot(provenGenerator), EUID: os.Geteuid(),
	}
}

func look(program string) (string, bool) {
	for _, d := range searchDirs {
		path := filepath.Join(d, program)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

func output(ctx context.Context, argv ...string) (string, error) { return system.Output(ctx, argv...) }

func read(path string) (string, error) {
	data, err := os.ReadFile(path)
	return string(data), err
}

func statfs(path string) (FS, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	if err == unix.ENOENT && path != "/" {
		return statfs(filepath.Dir(path))
	}
	var fs unix.Statfs_t
	if err == nil {
		err = unix.Statfs(path, &fs)
	}
	if err != nil {
		return FS{}, fmt.Errorf("%s cannot be looked at: %w", path, err)
	}
	f := FS{
		Device: st.Dev, NoExec: fs.Flags&unix.ST_NOEXEC != 0,
		FreeBytes: fs.Bavail * uint64(max(fs.Bsize, 0)), FreeInodes: fs.Ffree,
	}
	if fs.Files == 0 {
		f.FreeInodes = math.MaxUint64
	}
	return f, nil
}
