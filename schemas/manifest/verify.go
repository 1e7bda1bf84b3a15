package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"fleet/schemas/report"
)

// openFlags keep a link, a FIFO or a device that took a file's place from being followed or waited for.
const openFlags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// Verify proves the folder dir to be exactly the generation that its manifest lists: every file with its mode, size,
// hash or link target, nothing besides, both check lists and the id. It needs read access only and never leaves dir.
// A folder that is not whole gives a *report.Err with every fault (the first hundred); the manifest is returned with it
// where it could be read.
func Verify(dir string) (*Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open generation: %w", err)
	}
	defer root.Close()
	m, err := read(root, dir)
	if err != nil {
		return nil, err
	}
	v := verifier{root: root, want: map[string]File{FileName: {Path: FileName}}, dirs: map[string]bool{".": true}}
	for _, f := range m.Files {
		v.want[f.Path] = f
		for d := path.Dir(f.Path); !v.dirs[d]; d = path.Dir(d) {
			v.dirs[d] = true
		}
	}
	v.walk(".")
	v.missing(m.Files)
	v.lists(m.Files)
	for i := range v.r.Entries {
		v.r.Entries[i].Where = dir
	}
	return m, v.r.Err()
}

// Read returns the manifest of the generation in dir, checked in itself; the files are not looked at.
func Read(dir string) (*Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open generation: %w", err)
	}
	defer root.Close()
	return read(root, dir)
}

func read(root *os.Root, dir string) (*Manifest, error) {
	f, err := root.OpenFile(FileName, openFlags, 0)
	if err != nil {
		return nil, fmt.Errorf("%s is no generation: %w", dir, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, file.Refuse("of %s must be a regular file", dir)
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest of %s: %w", dir, err)
	}
	return Parse(b)
}

type verifier struct {
	root *os.Root
	want map[string]File
	dirs map[string]bool // folders that hold a listed file
	r    report.Report
}

func (v *verifier) fault(at, format string, args ...any) {
	if len(v.r.Entries) < maxFaults {
		v.r.ErrorHint(at, fmt.Sprintf(format, args...), "a generation is never edited: build it again")
	}
}

// walk checks all that stands below dir.
func (v *verifier) walk(dir string) {
	entries, err := fs.ReadDir(v.root.FS(), dir)
	if err != nil {
		v.fault(dir, "must be readable: %v", err)
		return
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		f, listed := v.want[p]
		switch {
		case e.IsDir() && v.dirs[p]:
			v.walk(p)
		case !listed:
			v.fault(p, "is not listed in the manifest")
		case p != FileName:
			v.entry(f, e)
		}
	}
}

func (v *verifier) entry(f File, e fs.DirEntry) {
	if f.Mode == ModeLink {
		target, err := v.root.Readlink(f.Path)
		if err != nil || target != f.Link {
			v.fault(f.Path, "must be a link to %q", f.Link)
		}
		return
	}
	if !e.Type().IsRegular() {
		v.fault(f.Path, "must be a regular file")
		return
	}
	if err := v.file(f); err != nil {
		v.fault(f.Path, "%v", err)
	}
}

func (v *verifier) file(f File) error {
	h, err := v.root.OpenFile(f.Path, openFlags, 0)
	if err != nil {
		return fmt.Errorf("must be readable: %w", err)
	}
	defer h.Close()
	st, err := h.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return errors.New("must be a regular file")
	case Octal(st.Mode()) != f.Mode:
		return fmt.Errorf("must have mode %s, has %s", f.Mode, Octal(st.Mode()))
	case st.Size() != f.Size:
		return fmt.Errorf("must have %d bytes, has %d", f.Size, st.Size())
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(h, f.Size)); err != nil {
		return fmt.Errorf("must be readable: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("must have the content %s, has %s", f.SHA256[:8], got[:8])
	}
	return nil
}

// Octal returns a file's mode as a manifest writes it, setuid, setgid and sticky bits included.
func Octal(m fs.FileMode) string {
	bits := uint32(m.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return fmt.Sprintf("%04o", bits)
}

func (v *verifier) missing(files []File) {
	for _, f := range files {
		if _, err := v.root.Lstat(f.Path); err != nil {
			v.fault(f.Path, "is missing")
		}
	}
}

// lists checks what the host's shell trusts: a list that leaves out a file would let a damaged generation boot.
func (v *verifier) lists(files []File) {
	for name, want := range map[string][]byte{FilesSumName: FilesSum(files), StoreSumName: StoreSum(files)} {
		sum := sha256.Sum256(want)
		if v.want[name].SHA256 != hex.EncodeToString(sum[:]) {
			v.fault(name, "must list every file of the manifest, with its hash")
		}
	}
}
