// Package spec turns a spec file into a checked fleet.Fleet: it evaluates Jsonnet, reads JSON and YAML, validates
// against the schema, merges and fills in defaults, and checks what a schema cannot say. All faults are reported at
// once, each with its path in the spec and a hint. Nothing is read but the spec, what it imports and the files that it
// names.
package spec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"fleet/schemas/fleet"
	"fleet/schemas/report"
)

// Options say what to load.
type Options struct {
	Dir     string            // folder that File is relative to; "" is the working folder
	File    string            // the spec: .jsonnet, .json, .yaml or .yml
	TLAStr  map[string]string // arguments of a top-level function, as text
	TLACode map[string]string // the same, as Jsonnet
	ExtStr  map[string]string // external variables, as text
	ExtCode map[string]string // the same, as Jsonnet
	Harness string            // replaces every agent's harness, with what belongs to the old one; "" leaves them
	JPath   []string          // library folders in the order of search; the importing file's own folder comes first
	Trace   io.Writer         // where std.trace writes; nil drops it
}

// Result is a loaded spec that has passed all checks. Paths in Digests are relative to the spec's folder; the library
// folders are -J1, -J2 and so on.
type Result struct {
	JSON    []byte            // what the spec evaluates to
	Digests map[string]string // hex SHA-256 of JSON ("spec") and of every file read by its path, see below
	Fleet   *fleet.Fleet      // defaults merged and filled in, files read, Harnesses with the built-in ones
	Report  report.Report     // warnings
}

// Load evaluates and checks a spec. Where the spec is at fault the error is a *report.Err with all faults and warnings.
func Load(ctx context.Context, o Options) (*Result, error) {
	tree, err := openSources(o)
	if err != nil {
		return nil, refuse(o.File, err)
	}
	defer tree.close()
	text, doc, err := read(ctx, tree, o)
	if err != nil {
		return nil, refuse(o.File, err)
	}
	builtin, err := loadBuiltin()
	if err != nil {
		return nil, err
	}
	f, found := check(rehearsed(doc, o.Harness), builtin, tree)
	r := found.report(o.File)
	if r.Failed() {
		return nil, r.Err()
	}
	tree.digests["spec"] = digest(text)
	return &Result{JSON: text, Digests: tree.digests, Fleet: f, Report: r}, nil
}

// check is all that follows evaluation.
func check(doc any, builtin *builtin, tree *sources) (*fleet.Fleet, *faults) {
	found := new(faults)
	doc = validate(found, builtin.schema, normalized(doc, true))
	doc = checkTexts(found, builtin.schema, doc)
	full := complete(doc, builtin)
	f, err := decode(full)
	if err != nil { // the schema lets nothing pass that does not decode
		found.error(nil, err.Error(), "report this: the schema and the types of fleet disagree")
		return nil, found
	}
	readFiles(found, f, tree)
	checkFleet(found, f, builtin)
	found.blameDefaults(doc)
	return f, found
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
