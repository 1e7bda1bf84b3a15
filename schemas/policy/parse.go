package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"fleet/schemas/strict"
)

// MaxSize bounds policy.json: MaxRules rules of eight hundred bytes.
const MaxSize = 16 << 20

// Encode returns the text of policy.json: indented, keys in the order of the types, a newline at the end.
func Encode(p *Policy) ([]byte, error) {
	c := *p // lists that are nil are written as empty ones
	c.Allow, c.Deny = append([]Rule{}, p.Allow...), append([]Denial{}, p.Deny...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&c); err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	return b.Bytes(), nil
}

var file = strict.File[Policy]{Name: FileName, Version: Version, MaxSize: MaxSize, Check: (*Policy).Check, Encode: Encode}

// Parse reads what Encode wrote, and nothing else: two readers must never see two policies in one file. Whatever is wrong
// is a *report.Err.
func Parse(b []byte) (*Policy, error) { return file.Parse(b) }
