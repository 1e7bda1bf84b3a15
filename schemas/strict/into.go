package strict

import (
	"bytes"
	"encoding/json"
)

// Version returns the version that a file of ours says it has, 0 where it says none. The error says that the text is not
// one JSON object.
func Version(data []byte) (int, error) {
	var head struct {
		Version int `json:"version"`
	}
	err := json.Unmarshal(data, &head)
	return head.Version, err
}

// Into decodes data into v, in which every key must have its place. Text behind the first value is not looked at: ask
// Version or Decode first, which refuse it.
func Into(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
