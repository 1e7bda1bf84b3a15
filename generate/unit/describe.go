package unit

import (
	"bytes"
	"path"
	"slices"

	"fleet/generate/artifact"
	"fleet/schemas/fleet"
	"fleet/schemas/manifest"
)

// Describe returns what a manifest says of a unit's file.
func Describe(f artifact.File) manifest.Unit {
	out := manifest.Unit{Name: path.Base(string(f.Path)), OnChange: manifest.OnChangeRestart, Digest: Digest(f.Data)}
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

// Loosened returns the extra directives that give an agent more than the sandbox does, as KEY=VALUE, sorted.
func Loosened(s fleet.Systemd) []string {
	var out []string
	for section, keys := range map[string]map[string][]string{"Unit": s.Unit, "Service": s.Service} {
		for key, values := range keys {
			for _, v := range values {
				if class, known := fleet.DirectiveValue(section, key, v); !known || class == fleet.Loosens {
					out = append(out, key+"="+v)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
