package sidecar

import (
	"bytes"
	"encoding/json"
	"fmt"

	"fleet/schemas/report"
	"fleet/schemas/strict"
)

// MaxSize bounds sidecar.json: schemas of arguments are what may be long.
const MaxSize = 4 << 20

// Encode returns the text of sidecar.json: indented, keys in the order of the types, a newline at the end.
func Encode(c *Config) ([]byte, error) {
	out := *c // a list that is nil is written as an empty one
	out.Agents = append([]Agent{}, c.Agents...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&out); err != nil {
		return nil, fmt.Errorf("encode sidecar: %w", err)
	}
	return b.Bytes(), nil
}

// Parse reads what Encode wrote, and nothing else. Another version, an unknown key, a key twice, and every value that Check
// refuses are errors, all of them a *report.Err.
func Parse(b []byte) (*Config, error) {
	if len(b) > MaxSize {
		return nil, refuse("must have at most %d bytes, has %d", MaxSize, len(b))
	}
	version, err := strict.Version(b)
	if err != nil {
		return nil, refuse("must be JSON: %v", err)
	}
	if version != Version {
		return nil, refuse("has version %d, this tool reads version %d", version, Version)
	}
	c := new(Config)
	if err := strict.Into(b, c); err != nil {
		return nil, refuse("must follow its schema: %v", err)
	}
	if r := c.Check(); r.Failed() {
		return nil, r.Err()
	}
	if again, err := Encode(c); err != nil || !bytes.Equal(again, b) {
		return nil, refuse("must be written as fleet build writes it: same keys, order and spacing")
	}
	return c, nil
}

func refuse(format string, args ...any) error {
	var r report.Report
	r.Add(report.Entry{
		Where: FileName, Message: fmt.Sprintf(format, args...),
		Hint: "build the generation again with this version: fleet build",
	})
	return r.Err()
}
