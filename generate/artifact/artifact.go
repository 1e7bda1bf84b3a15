// Package artifact holds the files of a generation while they are made: renderers return them, the store writes them.
package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
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

// File is one file, or one symbolic link where Link is set.
type File struct {
	Path Path
	Mode fs.FileMode // one of the Mode constants; ignored for links
	Data []byte
	Link string // target, for NAME.wants/ entries
}

// Text returns a plain file.
func Text(p Path, data string) File { return File{Path: p, Mode: ModeText, Data: []byte(data)} }

// Script returns an executable file.
func Script(p Path, data string) File { return File{Path: p, Mode: ModeScript, Data: []byte(data)} }

// Link returns a symbolic link.
func Link(p Path, target string) File { return File{Path: p, Link: target} }

// Digest returns the lower-case hex SHA-256 of the content.
func (f File) Digest() string {
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:])
}

// StoreName returns the name that the content has in a host's store: the first 32 hex digits of its SHA-256, a dash and
// the base name of the path.
func (f File) StoreName() string { return f.Digest()[:32] + "-" + path.Base(string(f.Path)) }

// StorePath returns the absolute path of the file in a host's store. Units name scripts and data by it, so that a
// unit's text changes exactly when something that it runs or reads changes.
func (f File) StorePath() string { return StoreDir + "/" + f.StoreName() }

// Tree is a set of files with distinct paths.
type Tree struct{ files map[Path]File }

// NewTree returns an empty tree.
func NewTree() *Tree { return &Tree{files: map[Path]File{}} }

// Add puts files into the tree. A path that is bad or taken, or that another file's path runs through, is an error.
func (t *Tree) Add(files ...File) error {
	for _, f := range files {
		if err := f.Path.Check(); err != nil {
			return err
		}
		if _, taken := t.files[f.Path]; taken {
			return fmt.Errorf("two artifacts have the path %q", f.Path)
		}
		t.files[f.Path] = f
	}
	return nil
}

// Get returns the file at p.
func (t *Tree) Get(p Path) (File, bool) {
	f, ok := t.files[p]
	return f, ok
}

// Store returns the store path of the file at p. Asking for a file that is not in the tree yet is a mistake of the
// caller's and an error.
func (t *Tree) Store(p Path) (string, error) {
	f, ok := t.files[p]
	if !ok {
		return "", fmt.Errorf("no artifact %q to refer to", p)
	}
	return f.StorePath(), nil
}

// Files returns all files sorted by path.
func (t *Tree) Files() []File {
	out := make([]File, 0, len(t.files))
	for _, f := range t.files {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return out
}
