package spec

import (
	"fmt"

	"github.com/google/go-jsonnet"

	"fleet/lib"
)

// builtinHarnesses evaluates the harnesses that come with fleet.
func builtinHarnesses() (map[string]any, error) { return builtinData("harness.libsonnet") }

// builtinData evaluates a file of the library that holds an object.
func builtinData(name string) (map[string]any, error) {
	vm := jsonnet.MakeVM()
	vm.Importer(&jsonnet.MemoryImporter{Data: embeddedFiles()})
	text, err := vm.EvaluateAnonymousSnippet("", "import '"+name+"'")
	if err != nil {
		return nil, fmt.Errorf("evaluate the library's %s: %w", name, err)
	}
	doc, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("read the library's %s: %w", name, err)
	}
	all, ok := normalized(doc, false).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the library's %s must be an object, is %s", name, valueType(doc))
	}
	return all, nil
}

// embeddedFiles returns the library by file name.
func embeddedFiles() map[string]jsonnet.Contents {
	out := map[string]jsonnet.Contents{}
	entries, err := lib.Files.ReadDir(".")
	if err != nil {
		return out // the import that follows says so
	}
	for _, e := range entries {
		if b, err := lib.Files.ReadFile(e.Name()); err == nil { // a spec cannot import all of them
			out[e.Name()] = jsonnet.MakeContentsRaw(b)
		}
	}
	return out
}

// Recipe returns the command by which fleet itself installs the program of a built-in harness, "" where it has none.
func Recipe(program string) (string, error) {
	all, err := builtinHarnesses()
	if err != nil {
		return "", err
	}
	for _, v := range all {
		if h, ok := v.(map[string]any); ok && h["program"] == program {
			install, _ := h["install"].(string)
			return install, nil
		}
	}
	return "", nil
}
