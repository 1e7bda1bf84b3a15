package artifact

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"fleet/schemas/manifest"
)

// Units returns what a manifest says of the tree's units, sorted by name.
func (t *Tree) Units() []manifest.Unit {
	out := append([]manifest.Unit{}, t.units...)
	slices.SortFunc(out, func(a, b manifest.Unit) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// isUnit tells a unit's file from its links in wants folders and from all else.
func (f File) isUnit() bool { return f.Link == "" && path.Dir(string(f.Path)) == "units" }

// describe reads the text of a unit.
func describe(f File) manifest.Unit {
	out := manifest.Unit{Name: path.Base(string(f.Path)), OnChange: manifest.OnChangeRestart, Digest: UnitDigest(f.Data)}
	for line := range bytes.Lines(f.Data) {
		key, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("="))
		switch string(key) {
		case "X-Fleet-Agent":
			out.Agent = string(value)
		case "X-Fleet-OnChange":
			out.OnChange = string(value)
		}
	}
	return out
}

// recordRe is matched against a line that begins with recordBegin; searching the whole text for it costs ten times more.
var recordRe = regexp.MustCompile(`^[0-9a-f]{32}-record \S+ ([0-9a-f]{32})(?:\s|$)`)

const recordBegin = "ExecStartPre=+/var/lib/fleet/store/"

// UnitDigest returns the digest that the text of a unit file makes a running instance record, "" where it records none.
func UnitDigest(text []byte) string {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(recordBegin)); ok {
			if m := recordRe.FindSubmatch(rest); m != nil {
				return string(m[1])
			}
		}
	}
	return ""
}
