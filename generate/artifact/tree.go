package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
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

func newEntry(f File) Entry {
	sum := sha256.Sum256(f.Data)
	e := Entry{
		Path: f.Path, Mode: f.Mode, Link: f.Link, Size: int64(len(f.Data)), SHA256: hex.EncodeToString(sum[:]),
	}
	if f.Path.InStore() {
		for _, name := range storeRe.FindAll(f.Data, -1) {
			e.Names = append(e.Names, string(name))
		}
	}
	return e
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
	entries []Entry
	index   map[Path]int
	sink    Sink

	standIns map[Path]Entry
}

// NewTree returns an empty tree whose content is in memory.
func NewTree() *Tree { return NewTreeIn(memory{}) }

// NewTreeIn returns an empty tree whose content a sink keeps.
func NewTreeIn(s Sink) *Tree { return &Tree{index: map[Path]int{}, sink: s} }

// Add puts files into the tree. A path that is bad or taken is an error.
func (t *Tree) Add(files ...File) error {
	for _, f := range files {
		if err := t.free(f.Path); err != nil {
			return err
		}
		t.know(newEntry(f))
		if err := t.sink.Put(f); err != nil {
			return err
		}
	}
	return nil
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
	t.know(e)
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
	if _, taken := t.index[p]; taken {
		return fmt.Errorf("two artifacts have the path %q", p)
	}
	return nil
}

func (t *Tree) know(e Entry) {
	t.index[e.Path] = len(t.entries)
	t.entries = append(t.entries, e)
}

// Entry returns what is known of the file at p, or of its stand-in.
func (t *Tree) Entry(p Path) (Entry, bool) {
	i, ok := t.index[p]
	if !ok {
		e, ok := t.standIns[p]
		return e, ok
	}
	return t.entries[i], true
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

// Entries returns all entries sorted by path.
func (t *Tree) Entries() []Entry {
	out := slices.Clone(t.entries)
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return out
}

// Stored yields, in no order, the entries that a host's store will have.
func (t *Tree) Stored() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range t.entries {
			if e.Path.InStore() && e.Link == "" && !yield(e) {
				return
			}
		}
	}
}

// All yields each file, sorted by path, or why it cannot be read.
func (t *Tree) All() iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for _, e := range t.Entries() {
			if !yield(t.Get(e.Path)) {
				return
			}
		}
	}
}
