package chat

import (
	"bytes"
	"encoding/json"
	"fmt"

	"fleet/schemas/strict"
)

// MaxSize bounds chat.json: a thousand agents with their lists of channels.
const MaxSize = 4 << 20

// Encode returns the text of chat.json: indented, keys in the order of the types, a newline at the end.
func Encode(c *Config) ([]byte, error) {
	out := *c // a list that is nil is written as an empty one, but where nil says something
	out.Channels = append([]Channel{}, c.Channels...)
	out.Agents = append([]Agent{}, c.Agents...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&out); err != nil {
		return nil, fmt.Errorf("encode chat: %w", err)
	}
	return b.Bytes(), nil
}

var file = strict.File[Config]{
	Name: FileName, Version: Version, MaxSize: MaxSize, Check: (*Config).Check, Encode: Encode,
}

// Parse reads what Encode wrote, and nothing else. Whatever is wrong is a *report.Err.
func Parse(b []byte) (*Config, error) { return file.Parse(b) }
