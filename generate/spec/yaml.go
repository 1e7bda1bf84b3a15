package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"fleet/schemas/strict"
)

// Bounds of a YAML document, so that anchors which refer to anchors cannot fill the memory.
const (
	yamlDepth = 100
	yamlNodes = 1_000_000
)

// parseYAML reads one YAML document into the values that JSON has. Syntax faults are *strict.Error with the line.
func parseYAML(b []byte) (any, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("is empty")
	} else if err != nil {
		return nil, yamlError(err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, &strict.Error{Line: more.Line, Message: "must be one document", Hint: "take out the line ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	c := yamlReader{}
	return c.value(&doc, 0)
}

var yamlLine = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

func yamlError(err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return &strict.Error{Message: "is not YAML: " + err.Error()}
	}
	line, _ := strconv.Atoi(m[1]) // 0 where the parser names no line
	fault := &strict.Error{Line: line, Message: "is not YAML: " + m[2]}
	if strings.Contains(m[2], "cannot start any token") {
		fault.Hint = "indent with spaces: YAML takes no tabs; put text that begins with @, ` or % in quotes"
	}
	return fault
}

// yamlReader turns nodes into values and counts them, since an alias repeats what it names.
type yamlReader struct{ nodes int }

func yamlFault(n *yaml.Node, message, hint string) error {
	return &strict.Error{Line: n.Line, Message: message, Hint: hint}
}

func (c *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if c.nodes++; c.nodes > yamlNodes {
		return nil, yamlFault(n, "has too many values", "anchors that refer to anchors multiply them")
	}
	if depth > yamlDepth {
		return nil, yamlFault(n, "is nested too deep", "an anchor may refer to itself")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return c.value(n.Content[0], depth+1)
	case yaml.AliasNode:
		return c.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return c.object(n, depth)
	case yaml.SequenceNode:
		return c.list(n, depth)
	case yaml.ScalarNode:
		return scalar(n)
	}
	return nil, yamlFault(n, "is not YAML", "")
}

func (c *yamlReader) object(n *yaml.Node, depth int) (any, error) {
	out := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch _, twice := out[k.Value]; {
		case k.ShortTag() == "!!merge":
			return nil, yamlFault(n.Content[i], "must not use the merge key <<", "write what agents share under defaults")
		case k.Kind != yaml.ScalarNode || k.ShortTag() != "!!str":
			return nil, yamlFault(n.Content[i], "a key must be text, is "+yamlKind(k), "put it in quotes")
		case twice:
			return nil, yamlFault(n.Content[i], "key "+strconv.Quote(k.Value)+" stands twice", "take one of them out")
		}
		v, err := c.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		out[k.Value] = v
	}
	return out, nil
}

func (c *yamlReader) list(n *yaml.Node, depth int) (any, error) {
	out := make([]any, 0, len(n.Content))
	for _, item := range n.Content {
		v, err := c.value(item, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// scalar returns the value of one word or text. A date is its text, as it would be in JSON.
func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int":
		var i int64
		if err := n.Decode(&i); err != nil {
			return nil, yamlFault(n, strconv.Quote(n.Value)+" is too large a number", "")
		}
		return json.Number(strconv.FormatInt(i, 10)), nil
	case "!!float":
		var f float64
		if err := n.Decode(&f); err != nil {
			return nil, yamlFault(n, strconv.Quote(n.Value)+" is not a number", "")
		}
		b, err := json.Marshal(f)
		if err != nil {
			return nil, yamlFault(n, n.Value+" is not a number that a spec can hold", "")
		}
		return json.Number(b), nil
	}
	return nil, yamlFault(n, fmt.Sprintf("must not use the tag %s", n.Tag), "write plain text, numbers, true or false")
}

func yamlKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("the %s %s", strings.TrimPrefix(n.ShortTag(), "!!"), n.Value)
}
