package profile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Names of folders that are being filled or removed. A run that finds one knows that its maker was killed.
const (
	incomingPrefix = ".incoming-"
	trashPrefix    = ".trash-"
)

func leftover(name string) bool {
	return strings.HasPrefix(name, incomingPrefix) || strings.HasPrefix(name, trashPrefix)
}

// stable is the form of a temporary name in the text of an effect, which is the same in every run.
func stable(name string) string {
	for _, prefix := range []string{incomingPrefix, trashPrefix} {
		if strings.HasPrefix(name, prefix) {
			return strings.TrimSuffix(prefix, "-")
		}
	}
	return name
}

// self is who must own what fleet reads as its own: root, but in a test with a root folder of its own.
func self() uint32 { return uint32(os.Geteuid()) } //nolint:gosec // uids are not negative on Linux

func owner(st fs.FileInfo) uint32 { return st.Sys().(*syscall.Stat_t).Uid }

// stays reports whether a folder was not removed because something is in it, or because it is a mount point of the host's.
func stays(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.EBUSY)
}
