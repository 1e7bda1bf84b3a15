package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// ModeLink is the Mode of a symbolic link.
const ModeLink = "link"

// DigestLength is the number of hex digits of a unit's digest and of the hash in a store name.
const DigestLength = 32

// ComputeID returns the id of a generation with these files: the hex SHA-256 over one line "path NUL mode NUL content
// NEWLINE" for each file but the manifest, sorted by path; content is the file's hash or the link's target. The order
// of files does not matter.
func ComputeID(files []File) ID {
	h := sha256.New()
	var line []byte
	for _, f := range byPath(files) {
		if f.Path == FileName {
			continue
		}
		content := f.SHA256
		if f.Mode == ModeLink {
			content = f.Link
		}
		line = append(append(line[:0], f.Path...), 0)
		line = append(append(line, f.Mode...), 0)
		line = append(append(line, content...), '\n')
		h.Write(line)
	}
	return ID(hex.EncodeToString(h.Sum(nil)))
}

// byPath returns the files sorted by path. A manifest has them so, and tens of thousands are not copied then.
func byPath(files []File) []File {
	order := func(a, b File) int { return strings.Compare(a.Path, b.Path) }
	if slices.IsSortedFunc(files, order) {
		return files
	}
	return slices.SortedFunc(slices.Values(files), order)
}

// UnitDigest returns the name under which a running instance of a unit is recorded: the first 32 hex digits of the
// SHA-256 of the unit's text without the line that does the recording, since that line carries the digest.
func UnitDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:DigestLength]
}
