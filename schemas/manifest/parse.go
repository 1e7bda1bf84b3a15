package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"fleet/schemas/strict"
)

// Encode returns the text of manifest.json: indented, keys in the order of the types, a newline at the end.
func Encode(m *Manifest) ([]byte, error) {
	var b bytes.Buffer
	err := Write(&b, m)
	return b.Bytes(), err
}

// Write writes the text of manifest.json. A large fleet has tens of thousands of files and units, and the encoder holds a
// value three times over: the items of long lists are encoded one by one.
func Write(w io.Writer, m *Manifest) error {
	head := *m
	head.Files, head.Users, head.Agents, head.Units = m.Files[:0], m.Users[:0], m.Agents[:0], m.Units[:0]
	var text bytes.Buffer
	if err := encoder(&text, "").Encode(&head); err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	b, rest := bufio.NewWriter(w), text.Bytes()
	for _, l := range []list{
		listOf("files", m.Files), listOf("users", m.Users), listOf("agents", m.Agents), listOf("units", m.Units), // as in rest
	} {
		if l.n == 0 {
			continue
		}
		none := "\n  \"" + l.key + "\": []"
		before, after, found := bytes.Cut(rest, []byte(none))
		if !found {
			return fmt.Errorf("encode manifest: no place for the %s in %.80q", l.key, rest)
		}
		b.Write(before)
		b.WriteString(strings.TrimSuffix(none, "]"))
		if err := l.write(b); err != nil {
			return err
		}
		b.WriteString("\n  ]")
		rest = after
	}
	b.Write(rest)
	return b.Flush()
}

// list is a list of the manifest, whatever its items are.
type list struct {
	key string
	n   int
	at  func(int) any
}

func listOf[T any](key string, items []T) list {
	return list{key, len(items), func(i int) any { return &items[i] }}
}

// write writes the items.
func (l list) write(b *bufio.Writer) error {
	var item bytes.Buffer
	e := encoder(&item, "    ")
	for i := range l.n {
		item.Reset()
		if err := e.Encode(l.at(i)); err != nil {
			return fmt.Errorf("encode manifest: %w", err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(bytes.TrimSuffix(item.Bytes(), []byte("\n")))
	}
	return nil
}

func encoder(w io.Writer, prefix string) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	return e
}

var file = strict.File[Manifest]{
	Name: FileName, What: "manifest ", Version: Version, MaxSize: MaxManifest, Check: (*Manifest).Check,
}

// Parse reads a manifest from outside. Unknown keys, another version and every value that Check refuses are errors; a
// manifest that it returns can be trusted in its form, and says nothing yet about the files. Where the values are at
// fault the error is a *report.Err with all faults.
func Parse(b []byte) (*Manifest, error) { return file.Parse(b) }
