package spec

import (
	"errors"
	"fmt"
	"path"

	"github.com/google/go-jsonnet/formatter"
)

// Format returns a Jsonnet file in the style of jsonnetfmt. Faults of syntax are a *report.Err with their place; a file
// that is not Jsonnet is an error, since a formatter would lose the comments of YAML.
func Format(file, text string) (string, error) {
	switch path.Ext(file) {
	case ".jsonnet", ".libsonnet":
	default:
		return "", refuse(file, errors.New("is not Jsonnet: only .jsonnet and .libsonnet files can be formatted"))
	}
	out, err := formatter.Format(file, text, formatter.DefaultOptions())
	if err != nil {
		return "", refuse(file, jsonnetError(err, func(string) string { return file }))
	}
	again, err := formatter.Format(file, out, formatter.DefaultOptions())
	if err != nil || again != out {
		return "", fmt.Errorf("%s: formatting it twice gives two results, left as it is", file)
	}
	return out, nil
}
