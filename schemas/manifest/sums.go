package manifest

import (
	"path"
	"slices"
	"strings"
)

// The check lists inside a generation. Shell on the host proves files by them, with `sha256sum -c`.
const (
	FilesSumName = "files.sha256" // of the generation's own files, run in its folder
	StoreSumName = "store.sha256" // of the files in the host's store, by absolute path
	StoreDir     = "/var/lib/fleet/store"
)

// FilesSum returns the text of files.sha256: one line "HASH  PATH" for each regular file but the manifest and the list
// itself, sorted by path.
func FilesSum(files []File) []byte {
	var lines []string
	for _, f := range sortedRegular(files) {
		if f.Path != FileName && f.Path != FilesSumName {
			lines = append(lines, sumLine(f.SHA256, f.Path))
		}
	}
	return []byte(strings.Join(lines, ""))
}

// StoreSum returns the text of store.sha256: one line "HASH  /var/lib/fleet/store/NAME" for each file that has a name
// in the store, sorted by path in the generation, every name once.
func StoreSum(files []File) []byte {
	var lines []string
	seen := map[string]bool{}
	for _, f := range sortedRegular(files) {
		if f.Store != "" && !seen[f.Store] {
			seen[f.Store] = true
			lines = append(lines, sumLine(f.SHA256, StoreDir+"/"+f.Store))
		}
	}
	return []byte(strings.Join(lines, ""))
}

// StoreName returns the name of a file in the host's store: the first 32 digits of its hash, a dash, its base name.
func StoreName(sha256, p string) string { return sha256[:DigestLength] + "-" + path.Base(p) }

func sortedRegular(files []File) []File {
	var out []File
	for _, f := range files {
		if f.Mode != ModeLink {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// sumLine writes a name with a backslash as sha256sum(1) does: doubled, and the line marked by one in front.
func sumLine(hash, name string) string {
	if strings.Contains(name, `\`) {
		return `\` + hash + "  " + strings.ReplaceAll(name, `\`, `\\`) + "\n"
	}
	return hash + "  " + name + "\n"
}
