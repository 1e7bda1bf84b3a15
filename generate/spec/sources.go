package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fleet/lib"
)

// packagesDir is the folder beside a spec for packages of jsonnet-bundler; a folder vendor breaks go build.
const packagesDir = ".jsonnet"

// fileLimit bounds a file that a spec reads. A larger one is a mistake: a prompt has at most 100 KiB.
const fileLimit = 16 << 20

// sources are the folders that a spec may read from: its own, those of -J, and the library that is embedded. A path or
// a symbolic link that leads out of them is refused.
type sources struct {
	folders []folder // the spec's own first
	spec    string   // the spec's path inside its folder
	digests map[string]string
}

// folder is one place to read from. Its files are known by key and path, also to the spec itself (std.thisFile), so
// that nothing depends on where the folders lie.
type folder struct {
	root  *os.Root // nil for a library folder that does not exist, as JSONNET_PATH may name
	key   string   // "" for the spec's own, "-J1/" and so on for library folders
	shown string   // how messages name it
	path  string
}

// embeddedName begins the name of a file of the embedded library.
const embeddedName = "(fleet)/"

func openSources(o Options) (*sources, error) {
	file := o.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.Dir, file)
	}
	s := &sources{spec: filepath.Base(file), digests: map[string]string{}}
	if err := s.add(filepath.Dir(file), "", filepath.Dir(o.File)); err != nil {
		return nil, fmt.Errorf("its folder %w", plainError(err))
	}
	for i, dir := range o.JPath {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(o.Dir, dir)
		}
		if err := s.add(dir, fmt.Sprintf("-J%d/", i+1), o.JPath[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.close()
			return nil, fmt.Errorf("cannot open the library folder %s: %w", o.JPath[i], plainError(err))
		}
	}
	return s, nil
}

func (s *sources) add(dir, key, shown string) error {
	root, err := os.OpenRoot(dir)
	s.folders = append(s.folders, folder{root: root, key: key, shown: shown, path: filepath.Clean(dir)})
	return err
}

func (s *sources) close() {
	for _, f := range s.folders {
		if f.root != nil {
			_ = f.root.Close() // only read from
		}
	}
}

// shown returns how messages name a file that is known by key and path.
func (s *sources) shown(name string) string {
	if strings.HasPrefix(name, embeddedName) {
		return name
	}
	for _, f := range s.folders[1:] {
		if rest, ok := strings.CutPrefix(name, f.key); ok {
			return filepath.Join(f.shown, rest)
		}
	}
	return filepath.Join(s.folders[0].shown, name)
}

// readOwn returns a file of the spec's folder. The path must be relative and must not lead out, also not by a link.
func (s *sources) readOwn(name string) ([]byte, error) {
	return s.readIn(s.folders[0], name)
}

func (s *sources) readIn(f folder, name string) ([]byte, error) {
	if !filepath.IsLocal(name) {
		return nil, errOutside
	}
	if f.root == nil {
		return nil, errMissing
	}
	b, err := readRegular(f.root, name)
	if err != nil {
		return nil, err
	}
	s.digests[f.key+filepath.ToSlash(filepath.Clean(name))] = digest(b)
	return b, nil
}

// Why a file cannot be read, as messages say it.
var (
	errOutside = errors.New("lies outside the spec's folder")
	errMissing = errors.New("does not exist")
)

func readRegular(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // does not wait for the writer of a FIFO
	if err != nil {
		return nil, plainError(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, plainError(err)
	}
	if info.IsDir() {
		return nil, errors.New("is a folder")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err == nil && len(b) > fileLimit {
		return nil, fmt.Errorf("has more than %d MiB", fileLimit>>20)
	}
	return b, plainError(err)
}

// plainError takes the operation and the path off an error of the file system: messages name them already.
func plainError(err error) error {
	var of *fs.PathError
	if !errors.As(err, &of) {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errMissing
	case strings.Contains(of.Err.Error(), "escapes"): // os.Root has no exported error for it
		return errOutside
	}
	return of.Err
}

// readEmbedded returns a file of the library.
func readEmbedded(name string) ([]byte, bool) {
	if strings.ContainsAny(name, "/\\") || !strings.HasSuffix(name, ".libsonnet") {
		return nil, false
	}
	b, err := lib.Files.ReadFile(name)
	return b, err == nil
}
