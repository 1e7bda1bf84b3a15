package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"fleet/activate/safefile"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Source is a build folder that a person gives to root.
type Source struct {
	Path    string // absolute
	Invoker int    // uid of the person who called sudo, 0 for root: who may own the folder beside root
	Nonce   string // of the switch: names the folder that is being filled
}

var nonceForm = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

// Imported is a generation that stands on the host, whole, with its files in the store.
type Imported struct {
	Number   int
	Manifest *manifest.Manifest
	New      bool // false: the host held the same content already
}

// Inspect reads and judges a build folder as Import does, and changes nothing.
func (p *Profile) Inspect(s Source) (*manifest.Manifest, error) {
	src, err := p.open(s)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	m, _, err := p.trust(s).readSource(src)
	return m, err
}

func (p *Profile) trust(s Source) trust {
	return trust{root: p.Root, invoker: uint32(s.Invoker)} //nolint:gosec // a uid
}

func (p *Profile) open(s Source) (*os.File, error) {
	if !filepath.IsAbs(s.Path) {
		return nil, fmt.Errorf("build folder %q must be given by its absolute path", s.Path)
	}
	return p.trust(s).openSource(s.Path)
}

// Import copies a build folder to the host. A folder that could mislead root, or that is not exactly what its manifest
// lists, is refused with a *report.Err and nothing stays behind. The number is recorded as given before the generation
// appears, so that it is not given again whatever happens. A generation with the same manifest that is whole on the
// host is taken instead of a copy. ctx bounds the wait for the lock of the store.
func (p *Profile) Import(ctx context.Context, s Source) (Imported, error) {
	if !nonceForm.MatchString(s.Nonce) {
		return Imported{}, fmt.Errorf("%q is not the name of a switch", s.Nonce)
	}
	src, err := p.open(s)
	if err != nil {
		return Imported{}, err
	}
	defer src.Close()
	m, text, err := p.trust(s).readSource(src)
	if err != nil {
		return Imported{}, err
	}
	if m.Project != p.Project {
		return Imported{}, fmt.Errorf("%s is a generation of project %s, not of %s", s.Path, m.Project, p.Project)
	}
	if err := p.Prepare(); err != nil {
		return Imported{}, err
	}
	lock, err := p.LockStore(ctx, Holder{PID: os.Getpid(), What: "switch", Target: m.ID.Short()})
	if err != nil {
		return Imported{}, err
	}
	defer lock.Release() //nolint:errcheck // the kernel lets go in any case
	n, err := p.held(text)
	if err != nil {
		return Imported{}, err
	}
	if n != 0 {
		return Imported{Number: n, Manifest: m}, p.fillStore(p.Generation(n), m)
	}
	return p.copyIn(src, s, m, text)
}

// held returns the number of a whole generation with exactly this manifest, 0 if there is none. The id alone would not
// do: it does not cover what the manifest says of users and deadlines.
func (p *Profile) held(text []byte) (int, error) {
	numbers, err := p.Numbers()
	if err != nil {
		return 0, err
	}
	for _, n := range slices.Backward(numbers) {
		have, err := os.ReadFile(filepath.Join(p.Generation(n), manifest.FileName))
		if err != nil || !bytes.Equal(have, text) {
			continue
		}
		if _, err := p.Verify(n); err == nil {
			return n, nil
		}
	}
	return 0, nil
}

func (p *Profile) copyIn(src *os.File, s Source, m *manifest.Manifest, text []byte) (got Imported, err error) {
	if err := p.Clean(); err != nil {
		return got, err
	}
	if err := p.room(m); err != nil {
		return got, err
	}
	tmp := filepath.Join(p.Generations(), incomingPrefix+s.Nonce)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.discard(tmp))
		}
	}()
	if err := p.copyTree(src, tmp, m, text); err != nil {
		return got, fmt.Errorf("copy %s: %w", s.Path, err)
	}
	if _, err := Verify(tmp); err != nil {
		return got, fmt.Errorf("the copy of %s is not what its manifest lists, was it changed meanwhile?\n%w", s.Path, err)
	}
	if err := p.fillStore(tmp, m); err != nil {
		return got, err
	}
	n, err := p.give(m.ID)
	if err != nil {
		return got, err
	}
	if err := safefile.SyncFS(p.fx, p.Generations()); err != nil {
		return got, err
	}
	return Imported{Number: n, Manifest: m, New: true}, safefile.Rename(p.fx, tmp, p.Generation(n))
}

func (p *Profile) discard(tmp string) error {
	if _, err := os.Lstat(tmp); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return p.removeTree(tmp)
}

// give records the next number as given to id.
func (p *Profile) give(id manifest.ID) (int, error) {
	st, err := p.LoadState()
	if err != nil {
		return 0, err
	}
	held, err := p.Numbers()
	if err != nil {
		return 0, err
	}
	n := st.Next(held)
	st.Add(n, id)
	return n, p.SaveState(st)
}

// room refuses a generation that the disk has no space for, and says how much it needs.
func (p *Profile) room(m *manifest.Manifest) error {
	size, nodes := uint64(1<<20), uint64(len(m.Files)+64)
	for _, f := range m.Files {
		size += uint64(f.Size+4095) &^ 4095 //nolint:gosec // checked not to be negative
	}
	var r report.Report
	for _, dir := range []string{p.Generations(), p.Store()} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return err
		}
		free := st.Bavail * uint64(st.Bsize) //nolint:gosec // a block size is not negative
		if free < size || st.Files > 0 && st.Ffree < nodes {
			need := fmt.Sprintf("must have %d KiB and %d inodes free, has %d KiB and %d", size>>10, nodes, free>>10, st.Ffree)
			r.ErrorHint(strings.TrimPrefix(dir, p.Root), need, "free some space, or run `fleet gc`")
		}
	}
	return r.Err()
}
