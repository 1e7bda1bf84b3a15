package spec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"fleet/schemas/strict"
)

// evaluatedLimit bounds what a spec evaluates to: ten thousand agents with a page of text each.
const evaluatedLimit = 64 << 20

// read returns what the spec evaluates to, as JSON and decoded with json.Number.
func read(ctx context.Context, tree *sources, o Options) ([]byte, any, error) {
	switch ext := strings.ToLower(path.Ext(tree.spec)); ext {
	case ".jsonnet", ".libsonnet":
		text, err := evaluate(ctx, tree, o)
		if err != nil {
			return nil, nil, err
		}
		doc, err := decodeJSON(text)
		return text, doc, err
	case ".json", ".yaml", ".yml":
		return readPlain(tree, o, ext)
	default:
		return nil, nil, entry("", fmt.Sprintf("must end in .jsonnet, .json, .yaml or .yml, ends in %q", ext), "")
	}
}

func readPlain(tree *sources, o Options, ext string) ([]byte, any, error) {
	if len(o.TLAStr)+len(o.TLACode)+len(o.ExtStr)+len(o.ExtCode) > 0 {
		return nil, nil, entry("", "takes no arguments, since it is not Jsonnet",
			"leave out --tla-str, --tla-code, --ext-str and --ext-code, or write the spec in Jsonnet")
	}
	b, err := tree.readOwn(tree.spec)
	if err != nil {
		return nil, nil, err
	}
	parse := strict.Decode
	if ext != ".json" {
		parse = parseYAML
	}
	doc, err := parse(b)
	if err != nil {
		return nil, nil, atLine(o.File, err)
	}
	text, err := json.MarshalIndent(doc, "", "   ") // as Jsonnet writes it
	return append(text, '\n'), doc, err
}

// atLine puts the line of a syntax error behind the file's name.
func atLine(file string, err error) error {
	var at *strict.Error
	if !errors.As(err, &at) || at.Line == 0 {
		return err
	}
	return entry(fmt.Sprintf("%s:%d", file, at.Line), at.Message, at.Hint)
}

func decodeJSON(text []byte) (any, error) {
	if len(text) > evaluatedLimit {
		return nil, entry("", fmt.Sprintf("evaluates to more than %d MiB", evaluatedLimit>>20), "")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("evaluates to something that is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("evaluates to more than one value")
	}
	return doc, nil
}
