package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"fleet/schemas/strict"
)

// Encode returns the text of manifest.json: indented, keys in the order of the types, a newline at the end.
func Encode(m *Manifest) ([]byte, error) {
	var b bytes.Buffer
	err := Write(&b, m)
	return b.Bytes(), err
}

// Write writes the text of manifest.json. A large fleet has tens of thousands of files, and the encoder holds a value
// three times over: they are encoded one by one.
func Write(w io.Writer, m *Manifest) error {
	head := *m
	head.Files = []File{}
	text, err := encode(head, "")
	if err != nil {
		return err
	}
	const none = "\n  \"files\": []"
	before, after, found := bytes.Cut(text, []byte(none))
	if !found {
		return fmt.Errorf("encode manifest: no place for the files in %.80q", text)
	}
	if len(m.Files) == 0 {
		_, err := w.Write(text)
		return err
	}
	b := bufio.NewWriter(w)
	b.Write(before)
	b.WriteString(none[:len(none)-1])
	for i, f := range m.Files {
		line, err := encode(f, "    ")
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
	}
	b.WriteString("\n  ]")
	b.Write(after)
	return b.Flush()
}

func encode(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return b.Bytes(), nil
}

var file = strict.File[Manifest]{
	Name: FileName, What: "manifest ", Version: Version, MaxSize: MaxManifest, Check: (*Manifest).Check,
}

// Parse reads a manifest from outside. Unknown keys, another version and every value that Check refuses are errors; a
// manifest that it returns can be trusted in its form, and says nothing yet about the files. Where the values are at
// fault the error is a *report.Err with all faults.
func Parse(b []byte) (*Manifest, error) { return file.Parse(b) }
