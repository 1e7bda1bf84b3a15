package spec

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-jsonnet"
)

// importer finds what a spec imports: a library file of fleet's by its name, then beside the importing file, then in
// the library folders, then in .jsonnet.
type importer struct {
	*sources
	cache map[string]imported // by shown place
}

type imported struct {
	contents jsonnet.Contents
	folder   folder
	name     string // inside folder, with slashes
}

func newImporter(s *sources) *importer { return &importer{sources: s, cache: map[string]imported{}} }

// Import implements jsonnet.Importer.
func (im *importer) Import(from, wanted string) (jsonnet.Contents, string, error) {
	if b, ok := readEmbedded(wanted); ok {
		return im.keep(embeddedName+wanted, imported{contents: jsonnet.MakeContentsRaw(b)})
	}
	err := error(nil)
	for _, c := range im.candidates(from, wanted) {
		found := c.folder.key + c.name
		if got, ok := im.cache[found]; ok {
			return got.contents, found, nil
		}
		b, failed := im.readIn(c.folder, filepath.FromSlash(c.name))
		if failed == nil {
			c.contents = jsonnet.MakeContentsRaw(b)
			return im.keep(found, c)
		}
		if err == nil || !errors.Is(failed, errMissing) {
			err = failed
		}
	}
	return jsonnet.Contents{}, "", im.notFound(from, wanted, err)
}

func (im *importer) keep(found string, i imported) (jsonnet.Contents, string, error) {
	if got, ok := im.cache[found]; ok {
		i = got
	}
	im.cache[found] = i
	return i.contents, found, nil
}

// candidates lists where a path may be, in the order of search.
func (im *importer) candidates(from, wanted string) []imported {
	wanted = filepath.ToSlash(wanted)
	if path.IsAbs(wanted) {
		return im.inside(wanted)
	}
	by, ok := im.cache[from]
	if !ok {
		by.folder = im.folders[0]
	}
	if from == "" && wanted == im.spec {
		return []imported{{folder: by.folder, name: wanted}}
	}
	out := []imported{{folder: by.folder, name: path.Join(path.Dir(by.name), wanted)}}
	if !filepath.IsLocal(out[0].name) {
		out = append(im.inside(path.Join(filepath.ToSlash(by.folder.path), out[0].name)), out...)
	}
	for _, f := range im.folders[1:] {
		out = append(out, imported{folder: f, name: path.Clean(wanted)})
	}
	return append(out, imported{folder: im.folders[0], name: path.Join(packagesDir, wanted)})
}

// inside lists the folders that an absolute path lies in.
func (im *importer) inside(abs string) []imported {
	var out []imported
	for _, f := range im.folders {
		root, err := filepath.Abs(f.path)
		if err != nil {
			continue
		}
		rel, err := filepath.Rel(root, filepath.FromSlash(abs))
		if err == nil && filepath.IsLocal(rel) {
			out = append(out, imported{folder: f, name: filepath.ToSlash(rel)})
		}
	}
	return out
}

func (im *importer) notFound(from, wanted string, err error) error {
	switch {
	case from == "" && wanted == im.spec && errors.Is(err, errOutside):
		return errors.New("is a link that leads out of its folder; name the file that it leads to")
	case from == "" && wanted == im.spec:
		return err
	case err == nil || errors.Is(err, errOutside):
		return fmt.Errorf("cannot import %q: it lies outside the spec's folder; give its folder with -J", wanted)
	case !errors.Is(err, errMissing):
		return fmt.Errorf("cannot import %q: it %w", wanted, err)
	}
	places := []string{"beside the spec"}
	if from != "" {
		places[0] = "beside " + im.shown(from)
	}
	for _, f := range im.folders[1:] {
		places = append(places, "in "+f.shown)
	}
	places = append(places, "in "+packagesDir)
	return fmt.Errorf("cannot import %q: it does not exist %s", wanted, strings.Join(places, ", "))
}
