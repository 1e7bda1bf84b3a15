package profile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// maxFaults bounds a report on a hostile folder.
const maxFaults = 100

// survey compares what stands in a build folder with its manifest before a byte is copied. It opens nothing but
// folders and the manifest, so a FIFO or a device does nothing to it.
type survey struct {
	t    trust
	src  *os.File
	want map[string]manifest.File
	dirs map[string]bool
	seen int
	r    report.Report
}

// readSource returns the manifest of the open build folder, after everything in the folder was compared with it.
func (t trust) readSource(src *os.File) (*manifest.Manifest, []byte, error) {
	text, err := readManifest(src)
	if err != nil {
		return nil, nil, err
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	s := survey{
		t: t, src: src, dirs: map[string]bool{".": true},
		want: map[string]manifest.File{manifest.FileName: {Path: manifest.FileName}},
	}
	for _, f := range m.Files {
		s.want[f.Path] = f
		for d := path.Dir(f.Path); !s.dirs[d]; d = path.Dir(d) {
			s.dirs[d] = true
		}
	}
	if err := s.folder(src, "."); err != nil {
		return nil, nil, err
	}
	for p := range s.want {
		s.fault(p, "is missing")
	}
	for i := range s.r.Entries {
		s.r.Entries[i].Where = src.Name()
	}
	s.r.Sort()
	return m, text, s.r.Err()
}

func readManifest(src *os.File) ([]byte, error) {
	f, err := openFile(src, manifest.FileName)
	if err != nil {
		return nil, fmt.Errorf("%s is no generation: %w", src.Name(), err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, manifest.MaxManifest+1))
}

// openFile opens a regular file of one name in dir.
func openFile(dir *os.File, name string) (*os.File, error) {
	full := dir.Name() + "/" + name
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: full, Err: err}
	}
	f := os.NewFile(uintptr(fd), full)
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: full, Err: errors.New("must be a regular file")}
	}
	return f, nil
}

func (s *survey) fault(at, format string, args ...any) {
	if len(s.r.Entries) < maxFaults {
		s.r.ErrorHint(at, fmt.Sprintf(format, args...), "build it again: a generation is never edited")
	}
}

func (s *survey) folder(dir *os.File, rel string) error {
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if s.seen++; s.seen > 2*manifest.MaxFiles {
				s.fault(rel, "has too many files")
				return s.r.Err()
			}
			if err := s.entry(dir, name, path.Join(rel, name)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || err == nil && len(names) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *survey) entry(dir *os.File, name, rel string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: rel, Err: err}
	}
	f, listed := s.want[rel]
	delete(s.want, rel)
	kind := st.Mode & unix.S_IFMT
	switch {
	case !s.t.may(st.Uid):
		s.fault(rel, "is owned by user %d, must be yours or root's", st.Uid)
	case kind == unix.S_IFDIR && s.dirs[rel]:
		return s.descend(dir, name, rel)
	case !listed:
		s.fault(rel, "is not listed in the manifest")
	case f.Mode == manifest.ModeLink:
		s.link(dir, name, f)
	case kind != unix.S_IFREG:
		s.fault(rel, "must be a regular file")
	case st.Mode&(unix.S_ISUID|unix.S_ISGID|unix.S_ISVTX) != 0:
		s.fault(rel, "must not be setuid, setgid or sticky")
	case st.Mode&0o002 != 0:
		s.fault(rel, "can be written by every user")
	case rel != manifest.FileName && st.Size != f.Size:
		s.fault(rel, "must have %d bytes, has %d", f.Size, st.Size)
	}
	return nil
}

func (s *survey) descend(dir *os.File, name, rel string) error {
	sub, err := openDir(int(dir.Fd()), name, dir.Name()+"/"+name)
	if err != nil {
		return err
	}
	defer sub.Close()
	var refused *report.Err
	if err := s.t.checkFolder(sub); errors.As(err, &refused) {
		s.r.Merge("", refused.Report)
	} else if err != nil {
		return err
	}
	return s.folder(sub, rel)
}

func (s *survey) link(dir *os.File, name string, f manifest.File) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), name, buf)
	if err != nil || string(buf[:n]) != f.Link {
		s.fault(f.Path, "must be a link to %q", f.Link)
	}
}
