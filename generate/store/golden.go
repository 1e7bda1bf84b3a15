package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"fleet/generate/artifact"
)

// Change is one difference between a golden tree and a generation.
type Change struct {
	Path string `json:"path"`
	Kind string `json:"kind"`           // added, removed, changed: what the generation does to the golden tree
	Diff string `json:"diff,omitempty"` // unified
}

// Compare returns how a generation differs from the golden tree in dir, sorted by path. Modes are not compared, since git
// keeps only the executable bit. A missing dir has no file.
func Compare(dir string, t *artifact.Tree) ([]Change, error) {
	have, err := readTree(dir)
	if err != nil {
		return nil, err
	}
	want := make(map[string]string, t.Len())
	for f, err := range t.All() {
		if err != nil {
			return nil, err
		}
		want[string(f.Path)] = content(f)
	}
	return compare(have, want), nil
}

// Between returns how the generation in folder b differs from that in folder a, sorted by path.
func Between(a, b string) ([]Change, error) {
	old, err := readTree(a)
	if err != nil {
		return nil, err
	}
	next, err := readTree(b)
	if err != nil {
		return nil, err
	}
	return compare(old, next), nil
}

func compare(old, next map[string]string) []Change {
	var out []Change
	for p, text := range next {
		was, known := old[p]
		switch {
		case !known:
			out = append(out, Change{Path: p, Kind: "added", Diff: unified("/dev/null", p, "", text)})
		case was != text:
			out = append(out, Change{Path: p, Kind: "changed", Diff: unified(p, p, was, text)})
		}
	}
	for p, was := range old {
		if _, known := next[p]; !known {
			out = append(out, Change{Path: p, Kind: "removed", Diff: unified(p, "/dev/null", was, "")})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// WriteGolden makes dir hold exactly the tree's files and returns what changed. Only files that differ are written, so that a
// build does not touch what git tracks without need.
func WriteGolden(dir string, t *artifact.Tree) ([]Change, error) {
	changes, err := Compare(dir, t)
	if err != nil || len(changes) == 0 {
		return changes, err
	}
	for _, c := range changes {
		path := filepath.Join(dir, filepath.FromSlash(c.Path))
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
		if c.Kind == "removed" {
			removeEmpty(dir, filepath.Dir(path))
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		f, err := t.Get(artifact.Path(c.Path))
		if err != nil {
			return nil, err
		}
		f.Mode |= 0o644
		if err := writeFile(path, f); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// content is what golden holds of a file: its bytes, or a link's target behind a mark that no text of ours begins with.
func content(f artifact.File) string {
	if f.Link != "" {
		return linkMark + f.Link
	}
	return string(f.Data)
}

const linkMark = "\x00link "

func readTree(dir string) (map[string]string, error) {
	out := map[string]string{}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // such as generations/latest
		dir = real
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) && path == dir {
				return fs.SkipAll
			}
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			out[filepath.ToSlash(rel)] = linkMark + target
			return err
		}
		data, err := os.ReadFile(path)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	return out, nil
}

func removeEmpty(root, dir string) {
	for dir != root && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
}

// unified returns the unified diff of two texts with three lines of context, labelled with the two names, and "" where
// they are equal.
func unified(oldName, newName, oldText, newText string) string {
	if isBinary(oldText) || isBinary(newText) {
		return fmt.Sprintf("--- %s\n+++ %s\nBinary files differ\n", label("a/", oldName), label("b/", newName))
	}
	d := diff.Diff(label("a/", oldName), []byte(oldText), label("b/", newName), []byte(newText))
	_, d, _ = bytes.Cut(d, []byte("\n")) // the first line repeats the names
	return strings.ReplaceAll(string(d), linkMark, "link ")
}

// isBinary reports whether a file is a program, by the byte that no text of ours has.
func isBinary(text string) bool { return strings.Contains(strings.TrimPrefix(text, linkMark), "\x00") }

func label(prefix, name string) string {
	if name == "/dev/null" {
		return name
	}
	return prefix + name
}
