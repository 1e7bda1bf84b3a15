package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fleet/schemas/strict"
)

// Arguments are those of a call in the one form in which they are decided on, recorded and sent to the tool: an object, each
// key once, keys sorted, no spaces. Numbers stay as they were written.
type Arguments struct {
	Text  json.RawMessage
	value map[string]any
}

// Parse reads arguments; none are an empty object. A key that stands twice is refused, since the tool could take the other
// one than the rules did.
func Parse(text []byte) (*Arguments, error) {
	a := &Arguments{value: map[string]any{}}
	if len(text) > 0 && !bytes.Equal(text, []byte("null")) {
		v, err := strict.Decode(text)
		if err != nil {
			return nil, err
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, errors.New("must be an object")
		}
		a.value = object
	}
	if err := plain(a.value); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(a.value); err != nil {
		return nil, err
	}
	a.Text = bytes.TrimSpace(b.Bytes())
	return a, nil
}

// Digest is the SHA-256 of the text, in hexadecimal.
func (a *Arguments) Digest() string {
	sum := sha256.Sum256(a.Text)
	return hex.EncodeToString(sum[:])
}

// maxDigits and maxExponent bound a number. To compare 1e1000000000 exactly takes all memory, and no tool means it.
const maxDigits, maxExponent = 400, 400

func plain(v any) error {
	switch v := v.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e")
		n, err := strconv.Atoi(exponent)
		if len(v) > maxDigits || exponent != "" && (err != nil || n > maxExponent || n < -maxExponent) {
			return fmt.Errorf("number %.20s is too large or too exact", v)
		}
	case []any:
		for _, below := range v {
			if err := plain(below); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, below := range v {
			if err := plain(below); err != nil {
				return err
			}
		}
	}
	return nil
}
