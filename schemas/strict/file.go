package strict

import (
	"bytes"
	"fmt"

	"fleet/schemas/report"
)

// File is a kind of file of a generation: what `fleet build` writes, and nothing else.
type File[T any] struct {
	Name    string // for reports
	What    string // begins messages, such as "manifest "; "" where Name says it all
	Version int
	MaxSize int // bytes
	Check   func(*T) report.Report
	Encode  func(*T) ([]byte, error) // nil where any order and spacing will do
}

// Parse reads such a file. Another version, an unknown key, a key in other letters or twice, and every value that Check
// refuses are errors, all of them a *report.Err. Where there is Encode, two readers never see two values in one file.
func (f File[T]) Parse(b []byte) (*T, error) {
	if len(b) > f.MaxSize {
		return nil, f.Refuse("must have at most %d bytes, has %d", f.MaxSize, len(b))
	}
	version, err := Version(b)
	if err != nil {
		return nil, f.Refuse("must be JSON: %v", err)
	}
	if version != f.Version {
		return nil, f.Refuse("has version %d, this tool reads version %d", version, f.Version)
	}
	v := new(T)
	if err := Into(b, v); err != nil { // nothing follows it: the whole was read as one value above
		return nil, f.Refuse("must follow its schema: %v", err)
	}
	if r := f.Check(v); r.Failed() {
		return nil, r.Err()
	}
	if f.Encode == nil {
		return v, nil
	}
	if again, err := f.Encode(v); err != nil || !bytes.Equal(again, b) {
		return nil, f.Refuse("must be written as fleet build writes it: same keys, order and spacing")
	}
	return v, nil
}

// Refuse is a *report.Err about the file as a whole.
func (f File[T]) Refuse(format string, args ...any) error {
	var r report.Report
	r.Add(report.Entry{
		Where: f.Name, Message: f.What + fmt.Sprintf(format, args...),
		Hint: "build the generation again with this version: fleet build",
	})
	return r.Err()
}
