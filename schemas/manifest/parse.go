package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"fleet/schemas/report"
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

// Parse reads a manifest from outside. Unknown keys, another version and every value that Check refuses are errors; a
// manifest that it returns can be trusted in its form, and says nothing yet about the files. Where the values are at
// fault the error is a *report.Err with all faults.
func Parse(b []byte) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, refuse("manifest must have at most %d bytes, has %d", MaxManifest, len(b))
	}
	version, err := strict.Version(b)
	if err != nil {
		return nil, refuse("manifest must be JSON: %v", err)
	}
	if version != Version {
		return nil, refuse("manifest has version %d, this tool reads version %d", version, Version)
	}
	m := new(Manifest)
	if err := strict.Into(b, m); err != nil { // nothing follows it: the whole was read as one value above
		return nil, refuse("manifest must follow its schema: %v", err)
	}
	if r := m.Check(); r.Failed() {
		return nil, r.Err()
	}
	return m, nil
}

func refuse(format string, args ...any) error {
	var r report.Report
	r.Add(report.Entry{
		Where: FileName, Message: fmt.Sprintf(format, args...),
		Hint: "build the generation again with this version: fleet build",
	})
	return r.Err()
}
