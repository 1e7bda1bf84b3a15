package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"regexp"
	"slices"

	"fleet/schemas/manifest"
)

// Entry is what a tree knows of a file without its content.
type Entry struct {
	Path   Path
	Mode   fs.FileMode
	Link   string
	Size   int64    // of the content, in bytes
	SHA256 string   // of the content, lower-case hex; "" of a stand-in
	Names  []string // store paths that the content names, in its order
}

// StoreName returns the name that the content has in a host's store: the first 32 hex digits of its SHA-256, a dash and
// the base name of the path.
func (e Entry) StoreName() string {
	if e.SHA256 == "" {
		return "@" + path.Base(string(e.Path))
	}
	return e.SHA256[:32] + "-" + path.Base(string(e.Path))
}

// StorePath returns the absolute path of the file in a host's store. Units name scripts and data by it, so that a
// unit's text changes exactly when something that it runs or reads changes.
func (e Entry) StorePath() string { return StoreDir + "/" + e.StoreName() }

var storeRe = regexp.MustCompile(regexp.QuoteMeta(StoreDir) + `/[0-9a-f]{32}-[A-Za-z0-9_.@-]*[A-Za-z0-9_@-]`)

func newEntry(f File) *Entry {
	return &Entry{Path: f.Path, Mode: f.Mode, Link: f.Link, Size: int64(len(f.Data)), SHA256: f.Digest()}
}

// Sink keeps the content of a tree's files, so that a large tree need not be in memory.
type Sink interface {
	Put(f File) error
	Stream(f File, write func(io.Writer) error) error // f has no content; write writes it
	Get(p Path) ([]byte, error)                       // of a file that was put and is no link
}

// memory is the sink of small trees.
type memory map[Path][]byte

func (m memory) Put(f File) error {
	m[f.Path] = f.Data
	return nil
}

func (m memory) Stream(f File, write func(io.Writer) error) error {
	var b bytes.Buffer
	err := write(&b)
	m[f.Path] = b.Bytes()
	return err
}

func (m memory) Get(p Path) ([]byte, error) { return m[p], nil }

// Tree is a set of files with distinct paths.
type Tree struct {
	entries map[Path]*Entry
	named   map[string]string // the strings of Entry.Names: each agent's scripts name the same programs
	units   []manifest.Unit   // described while their text is at hand: with most sinks it is on the disk afterwards
	sink    Sink

	standIns map[Path]Entry
}

// NewTree returns an empty tree whose content is in memory.
func NewTree() *Tree { return NewTreeIn(memory{}) }

// NewTreeIn returns an empty tree whose content a sink keeps.
func NewTreeIn(s Sink) *Tree {
	return &Tree{entries: map[Path]*Entry{}, named: map[string]string{}, sink: s}
}

// Add puts files into the tree. A path that is bad or taken is an error.
func (t *Tree) Add(files ...File) error {
	for _, f := range files {
		if err := t.free(f.Path); err != nil {
			return err
		}
		e := newEntry(f)
		switch {
		case f.Path.InStore():
			e.Names = t.names(f.Data)
		case f.isUnit():
			t.units = append(t.units, describe(f))
		}
		t.entries[f.Path] = e
		if err := t.sink.Put(f); err != nil {
			return err
		}
	}
	return nil
}

// names returns the store paths in a text.
func (t *Tree) names(text []byte) []string {
	var out []string
	for _, b := range storeRe.FindAll(text, -1) {
		name, known := t.named[string(b)]
		if !known {
			name = string(b)
			t.named[name] = name
		}
		out = append(out, name)
	}
	return out
}

// Stream puts a plain file into the tree whose content is too large to be in memory.
func (t *Tree) Stream(p Path, write func(io.Writer) error) error {
	return t.stream(File{Path: p, Mode: ModeText}, write)
}

// Program puts an executable into the tree, which copy writes.
func (t *Tree) Program(p Path, copy func(io.Writer) error) error {
	return t.stream(File{Path: p, Mode: ModeScript}, copy)
}

// StandIn makes files name a program that is not in the tree: its path in the store is then StoreDir/@NAME, whatever
// its content. Golden trees have stand-ins, so that another compiler changes nothing in them.
func (t *Tree) StandIn(p Path) {
	if t.standIns == nil {
		t.standIns = map[Path]Entry{}
	}
	t.standIns[p] = Entry{Path: p, Mode: ModeScript}
}

func (t *Tree) stream(f File, write func(io.Writer) error) error {
	if err := t.free(f.Path); err != nil {
		return err
	}
	e, sum := newEntry(f), sha256.New()
	err := t.sink.Stream(f, func(w io.Writer) error {
		return write(io.MultiWriter(w, sum, (*size)(&e.Size)))
	})
	e.SHA256 = hex.EncodeToString(sum.Sum(nil))
	t.entries[f.Path] = e
	return err
}

// size counts bytes.
type size int64

func (s *size) Write(b []byte) (int, error) {
	*s += size(len(b))
	return len(b), nil
}

func (t *Tree) free(p Path) error {
	if err := p.Check(); err != nil {
		return err
	}
	if _, taken := t.entries[p]; taken {
		return fmt.Errorf("two artifacts have the path %q", p)
	}
	return nil
}

// Entry returns what is known of the file at p, or of its stand-in.
func (t *Tree) Entry(p Path) (Entry, bool) {
	if e, ok := t.entries[p]; ok {
		return *e, true
	}
	e, ok := t.standIns[p]
	return e, ok
}

// Get returns the file at p.
func (t *Tree) Get(p Path) (File, error) {
	e, ok := t.Entry(p)
	if !ok {
		return File{}, fmt.Errorf("no artifact %q", p)
	}
	f := File{Path: e.Path, Mode: e.Mode, Link: e.Link}
	if f.Link != "" {
		return f, nil
	}
	data, err := t.sink.Get(p)
	f.Data = data
	return f, err
}

// Len returns how many files the tree has.
func (t *Tree) Len() int { return len(t.entries) }

// Entries yields all entries sorted by path.
func (t *Tree) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, p := range slices.Sorted(maps.Keys(t.entries)) {
			if !yield(*t.entries[p]) {
				return
			}
		}
	}
}

// Stored yields, in no order, the entries that a host's store will have.
func (t *Tree) Stored() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range t.entries {
			if e.Path.InStore() && e.Link == "" && !yield(*e) {
				return
			}
		}
	}
}

// All yields each file, sorted by path, or why it cannot be read.
func (t *Tree) All() iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for e := range t.Entries() {
			if !yield(t.Get(e.Path)) {
				return
			}
		}
	}
}
