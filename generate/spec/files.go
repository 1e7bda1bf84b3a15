package spec

import (
	"errors"
	"maps"
	"slices"

	"fleet/schemas/fleet"
)

// readFiles puts the content of files that instructions and hooks name into the fleet.
func readFiles(found *faults, f *fleet.Fleet, tree *sources) {
	r := fileReader{found: found, tree: tree, texts: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(f.Agents)) {
		a := f.Agents[key]
		p := place{"agents", key}
		for i := range a.Instructions {
			in := &a.Instructions[i]
			r.oneOf(p.in("instructions").at(i), "text", &in.Text, &in.File)
		}
		for name, hook := range a.Hooks {
			r.oneOf(p.in("hooks", name), "script", &hook.Script, &hook.File)
			a.Hooks[name] = hook
		}
	}
}

type fileReader struct {
	found *faults
	tree  *sources
	texts map[string]string // by file: a file in defaults is read once for all agents
}

// oneOf demands that exactly one of text and file is set, and reads the file into text.
func (r *fileReader) oneOf(p place, key string, text, file *string) {
	switch {
	case *text == "" && *file == "":
		if !r.found.failedBelow(p) {
			r.found.error(p, "must have "+key+" or file, has neither", "")
		}
	case *text != "" && *file != "":
		r.found.error(p, "must have "+key+" or file, has both", "take one out; null removes one that defaults give")
	case *file != "":
		*text = r.read(p.in("file"), *file)
	}
}

func (r *fileReader) read(p place, name string) string {
	if text, ok := r.texts[name]; ok {
		return text
	}
	b, err := r.tree.readOwn(name)
	switch {
	case errors.Is(err, errOutside):
		r.found.error(p, show(name)+" lies outside the spec's folder",
			"copy the file beside the spec; links must not lead out either")
	case err != nil:
		r.found.error(p, show(name)+" "+err.Error(), "paths are relative to the spec's folder")
	case len(b) == 0:
		r.found.error(p, show(name)+" is empty", "")
	default:
		if checkText(r.found, p, string(b), true) {
			checkNoCredential(r.found, p, string(b))
		}
	}
	if err != nil {
		b = nil
	} else {
		r.texts[name] = string(b)
	}
	return string(b)
}
