package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fleet/schemas/report"
)

// Absent refuses values that stand in a file below dir, as they are or as JSON writes them: whoever can read the file
// knows them. Of a generation on the host these are all files of the store, too. A folder that is not there has none.
func Absent(dir string, entries []Entry) error {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var r report.Report
	needles := map[string][][]byte{}
	for _, e := range entries {
		needles[e.Name] = forms(e.Value)
		defer wipeAll(needles[e.Name][1:])
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := plainFile(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if containsAny(text, needles[e.Name]) {
				r.ErrorHint(e.Name, fmt.Sprintf("its value stands in %s: anyone may read it there", path),
					"take it out of the spec, build again, and have a new value made where this one is from")
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for the value in %s: %w", dir, err)
	}
	return r.Err()
}

// Absent is Absent of the values that the vault has of these secrets. What it lacks or cannot decrypt is Verify's to tell.
func (v *Vault) Absent(ctx context.Context, names []string, dir string) error {
	var entries []Entry
	for _, name := range names {
		value, err := v.Read(ctx, name)
		if err != nil {
			continue
		}
		defer value.Wipe()
		entries = append(entries, Entry{name, value})
	}
	if len(entries) == 0 {
		return nil
	}
	return Absent(dir, entries)
}

// forms returns what to look for: the value, and where that differs the value as it stands in JSON.
func forms(v Value) [][]byte {
	out := [][]byte{v.b}
	text, err := json.Marshal(string(v.b))
	if err != nil || len(text) < 2 {
		return out
	}
	if inner := text[1 : len(text)-1]; !bytes.Equal(inner, v.b) {
		out = append(out, inner)
	}
	return out
}

func wipeAll(all [][]byte) {
	for _, b := range all {
		clear(b)
	}
}

func containsAny(text []byte, needles [][]byte) bool {
	for _, n := range needles {
		if bytes.Contains(text, n) {
			return true
		}
	}
	return false
}

// plainFile reads a file that may have been exchanged for something else since it was listed.
func plainFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxSearched))
}

// maxSearched is more than any program of a generation has.
const maxSearched = 1 << 30
