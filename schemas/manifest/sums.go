package manifest

import (
	"bufio"
	"bytes"
	"io"
	"path"
	"strings"
)

// The check lists inside a generation. Shell on the host proves files by them, with `sha256sum -c`.
const (
	FilesSumName = "files.sha256" // of the generation's own files, run in its folder
	StoreSumName = "store.sha256" // of the files in the host's store, by absolute path
	StoreDir     = "/var/lib/fleet/store"
)

// WriteFilesSum writes the text of files.sha256: one line "HASH  PATH" for each regular file but the manifest and the
// list itself, sorted by path.
func WriteFilesSum(w io.Writer, files []File) error {
	b := bufio.NewWriter(w)
	for _, f := range byPath(files) {
		if f.Mode != ModeLink && f.Path != FileName && f.Path != FilesSumName {
			sumLine(b, f.SHA256, f.Path)
		}
	}
	return b.Flush()
}

// WriteStoreSum writes the text of store.sha256: one line "HASH  /var/lib/fleet/store/NAME" for each file that has a name
// in the store, sorted by path in the generation, every name once.
func WriteStoreSum(w io.Writer, files []File) error {
	b := bufio.NewWriter(w)
	seen := map[string]bool{}
	for _, f := range byPath(files) {
		if f.Mode != ModeLink && f.Store != "" && !seen[f.Store] {
			seen[f.Store] = true
			sumLine(b, f.SHA256, StoreDir+"/"+f.Store)
		}
	}
	return b.Flush()
}

// FilesSum returns what [WriteFilesSum] writes.
func FilesSum(files []File) []byte { return text(WriteFilesSum, files) }

// StoreSum returns what [WriteStoreSum] writes.
func StoreSum(files []File) []byte { return text(WriteStoreSum, files) }

func text(write func(io.Writer, []File) error, files []File) []byte {
	var b bytes.Buffer
	_ = write(&b, files) // a buffer takes all
	return b.Bytes()
}

// StoreName returns the name of a file in the host's store: the first 32 digits of its hash, a dash, its base name.
func StoreName(sha256, p string) string { return sha256[:DigestLength] + "-" + path.Base(p) }

// sumLine writes a name with a backslash as sha256sum(1) does: doubled, and the line marked by one in front.
func sumLine(b *bufio.Writer, hash, name string) {
	if strings.Contains(name, `\`) {
		b.WriteByte('\\')
		name = strings.ReplaceAll(name, `\`, `\\`)
	}
	b.WriteString(hash)
	b.WriteString("  ")
	b.WriteString(name)
	b.WriteByte('\n')
}
