// Package credential reads what systemd has decrypted for a daemon's unit, LoadCredentialEncrypted= of systemd.exec(5).
// No error has a value in it.
package credential

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Variable names the folder of a unit's credentials, systemd.exec(5).
const Variable = "CREDENTIALS_DIRECTORY"

// previous ends the name of the credential with the value before, while the grace of a rotation runs.
const previous = ".previous"

// Folder is a unit's credentials. The folder is root's and cannot be written to. RestrictSUIDSGID= of the unit takes
// openat2(2) away, which would refuse links besides.
type Folder struct{ root *os.Root }

// Open opens the folder.
func Open(dir string) (*Folder, error) {
	if dir == "" {
		return nil, fmt.Errorf("$%s names no folder: the unit must load credentials", Variable)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of credentials: %w", err)
	}
	return &Folder{root}, nil
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Read returns a value of at most so many bytes, without the newline at its end. Where there is none, the error is
// fs.ErrNotExist.
func (f *Folder) Read(name string, most int) ([]byte, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("must be a file")
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, int64(most)+3))
	if err != nil {
		return nil, err
	}
	if b = Trim(b); len(b) > most {
		return nil, fmt.Errorf("must have at most %d bytes", most)
	}
	return b, nil
}

// Previous returns the value before a rotation, nil where none runs: the unit has a bare newline there then.
func (f *Folder) Previous(name string, most int) ([]byte, error) {
	b, err := f.Read(name+previous, most)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil, nil
	}
	return b, err
}

// Trim takes one end of a line off the end, which editors and echo leave there.
func Trim(b []byte) []byte {
	if cut, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		return bytes.TrimSuffix(cut, []byte("\r"))
	}
	return b
}
