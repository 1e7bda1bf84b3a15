// Package artifact holds the files of a generation while they are made: renderers return them, the store writes them.
package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// StoreDir is where a host keeps scripts, settings and daemons by content.
const StoreDir = "/var/lib/fleet/store"

// Modes that files of a generation have on a host.
const (
	ModeText   fs.FileMode = 0o444
	ModeScript fs.FileMode = 0o555
	ModeSudo   fs.FileMode = 0o440 // visudo -c demands it
)

// Path is a slash-separated path inside a generation, such as units/fleet-demo-lead.service.
type Path string

// Check refuses a path that could leave the tree or that a line-based list cannot hold.
func (p Path) Check() error {
	s := string(p)
	if s == "" || path.IsAbs(s) || path.Clean(s) != s || s == ".." || strings.HasPrefix(s, "../") {
		return fmt.Errorf("artifact path %q must be relative, clean and inside the tree", s)
	}
	for _, c := range s {
		if c <= ' ' || c == 0x7f || c == '\\' && !strings.HasPrefix(s, "units/") || c > 0x7e {
			return fmt.Errorf("artifact path %q has a character that is not plain ASCII", s)
		}
	}
	return nil
}

// InStore reports whether units name the file by its content in the host's store.
func (p Path) InStore() bool {
	return strings.HasPrefix(string(p), "agents/") || strings.HasPrefix(string(p), "libexec/")
}

// File is one file, or one symbolic link where Link is set.
type File struct {
	Path Path
	Mode fs.FileMode // one of the Mode constants; ignored for links
	Data []byte
	Link string // target, for NAME.wants/ entries
}

// Text returns a plain file whose content is the parts in a row.
func Text(p Path, parts ...string) File { return File{Path: p, Mode: ModeText, Data: join(parts)} }

// Script returns an executable file whose content is the parts in a row.
func Script(p Path, parts ...string) File { return File{Path: p, Mode: ModeScript, Data: join(parts)} }

// join copies each part just once: together they are most of what a build has in its hands.
func join(parts []string) []byte {
	size := 0
	for _, s := range parts {
		size += len(s)
	}
	out := make([]byte, 0, size)
	for _, s := range parts {
		out = append(out, s...)
	}
	return out
}

// Link returns a symbolic link.
func Link(p Path, target string) File { return File{Path: p, Link: target} }

// Digest returns the lower-case hex SHA-256 of the content.
func (f File) Digest() string {
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:])
}

// StorePath returns the absolute path of the file in a host's store; see [Entry.StorePath].
func (f File) StorePath() string { return Entry{Path: f.Path, SHA256: f.Digest()}.StorePath() }
