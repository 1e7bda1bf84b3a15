// Package safefile reads what an agent owns without being led by it, and writes root's own files so that a crash leaves
// the old content or the new one.
//
// An agent may put a link, a FIFO, a socket, a huge file or a folder with a million names where a plain file is
// expected, and may exchange them between any two system calls. So every look into its folders goes through Folder.
package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTooLarge is returned for a file or folder over the caller's limit.
var ErrTooLarge = errors.New("is larger than allowed")

// ErrNotPlain is returned for what is no regular file of the folder's owner, or no folder where one is wanted.
var ErrNotPlain = errors.New("is not a plain file of its folder's owner")

// below makes the kernel refuse every way out of the folder: links of any kind, "..", absolute names, other mounts
// (openat2(2), since Linux 5.6).
const below = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// Folder is an open folder that an agent may own. What is read below it belongs to the folder's owner, so that a hard
// link to somebody else's file gives nothing.
type Folder struct {
	f   *os.File
	uid uint32
}

// Open opens the folder at path. The folders above it must be root's; its last part may not be a link.
func Open(path string) (*Folder, error) {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &Folder{f: f, uid: st.Uid}, nil
}

// Close releases the folder.
func (d *Folder) Close() error { return d.f.Close() }

// plain are the flags for reading: O_NONBLOCK keeps a FIFO from holding the caller.
const plain = unix.O_RDONLY | unix.O_NONBLOCK

// open opens name below the folder.
func (d *Folder) open(name string, flags uint64) (*os.File, *unix.Stat_t, error) {
	path := d.f.Name() + "/" + name
	how := unix.OpenHow{Flags: flags | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: below}
	var fd int
	var err error
	for range 8 { // EAGAIN: something was renamed meanwhile
		if fd, err = unix.Openat2(int(d.f.Fd()), name, &how); !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return f, &st, nil
}

// OpenFile opens the regular file name for reading.
func (d *Folder) OpenFile(name string) (*os.File, error) {
	f, st, err := d.open(name, plain)
	if err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != d.uid {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: ErrNotPlain}
	}
	return f, nil
}

// Read returns the content of the regular file name, ErrTooLarge if it has more than limit bytes.
func (d *Folder) Read(name string, limit int64) ([]byte, error) {
	f, err := d.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: fmt.Errorf("%w: %d bytes", ErrTooLarge, limit)}
	}
	return b, nil
}

// Tail returns the last limit bytes of the regular file name, all of them if it has no more.
func (d *Folder) Tail(name string, limit int64) ([]byte, error) {
	f, err := d.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(max(0, st.Size()-limit), io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// Info is what can be known of a name without opening what it stands for.
type Info struct {
	Mode    fs.FileMode // type bits included
	Size    int64
	ModTime time.Time // as the owner set it: it may lie in the future
	UID     uint32
}

// Stat describes name itself; a link is not followed.
func (d *Folder) Stat(name string) (Info, error) {
	f, st, err := d.open(name, unix.O_PATH)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return Info{Mode: fi.Mode(), Size: fi.Size(), ModTime: fi.ModTime(), UID: st.Uid}, nil
}

// List returns the names in the folder name ("." for the folder itself), sorted. More than limit names are ErrTooLarge,
// and no more than that are ever read.
func (d *Folder) List(name string, limit int) ([]string, error) {
	f, st, err := d.open(name, plain|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st.Uid != d.uid {
		return nil, &fs.PathError{Op: "list", Path: f.Name(), Err: ErrNotPlain}
	}
	names, err := f.Readdirnames(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > limit {
		return nil, &fs.PathError{Op: "list", Path: f.Name(), Err: fmt.Errorf("%w: %d names", ErrTooLarge, limit)}
	}
	slices.SortFunc(names, strings.Compare)
	return names, nil
}
