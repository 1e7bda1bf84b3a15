package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"fleet/schemas/report"
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

// Parse reads what Encode wrote, and nothing else: two readers must never see two policies in one file. Another
// version, an unknown key, a key in other letters or twice, and every value that Check refuses are errors, all of them
// a *report.Err.
func Parse(b []byte) (*Policy, error) {
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
	p := new(Policy)
	if err := strict.Into(b, p); err != nil {
		return nil, refuse("must follow its schema: %v", err)
	}
	if r := p.Check(); r.Failed() {
		return nil, r.Err()
	}
	if again, err := Encode(p); err != nil || !bytes.Equal(again, b) {
		return nil, refuse("must be written as fleet build writes it: same keys, order and spacing")
	}
	return p, nil
}

func refuse(format string, args ...any) error {
	var r report.Report
	r.Add(report.Entry{
		Where: FileName, Message: fmt.Sprintf(format, args...),
		Hint: "build the generation again with this version: fleet build",
	})
	return r.Err()
}
