package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"fleet/schemas/fleet"
)

// schemaURL names the schema inside the validator; nothing is fetched.
const schemaURL = "fleet.schema.json"

// schemas is the spec's schema in the three forms that are needed: to validate, to walk beside a value, to look up by pointer.
type schemas struct {
	valid *jsonschema.Schema
	root  *node
	raw   any
}

// node is one place of the schema with its $ref laid under it.
type node struct {
	types    []string
	enum     []any
	desc     string
	def      any // nil where there is none
	filled   any // def with all defaults inside it filled in
	required []string
	examples []any
	typeName string // x-type
	hint     string
	multi    bool             // x-multiline
	props    map[string]*node // nil where the keys are free
	pattern  *regexp.Regexp   // free keys match it
	each     *node            // value of a free key, or item of a list
}

func parseSchema() *schemas {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(fleet.Schema))
	if err != nil {
		panic(fmt.Sprintf("the embedded schema is not JSON: %v", err)) // a test loads it
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaURL, raw); err != nil {
		panic(fmt.Sprintf("the embedded schema cannot be added: %v", err))
	}
	s := &schemas{valid: c.MustCompile(schemaURL), raw: raw}
	s.root = s.parse(raw.(map[string]any))
	return s
}

// parse reads a place of the schema. The schema has no cycles.
func (s *schemas) parse(m map[string]any) *node {
	if ref, ok := m["$ref"].(string); ok {
		under := maps.Clone(s.at(ref))
		maps.Copy(under, m)
		delete(under, "$ref")
		m = under
	}
	n := &node{types: texts(m["type"]), required: texts(m["required"]), def: m["default"]}
	n.desc, _ = m["description"].(string)
	n.typeName, _ = m["x-type"].(string)
	n.hint, _ = m["x-hint"].(string)
	n.multi, _ = m["x-multiline"].(bool)
	n.enum, _ = m["enum"].([]any)
	n.examples, _ = m["examples"].([]any)
	if props, ok := m["properties"].(map[string]any); ok {
		n.props = map[string]*node{}
		for k, v := range props {
			n.props[k] = s.parse(v.(map[string]any))
		}
	}
	if free, ok := m["patternProperties"].(map[string]any); ok {
		for k, v := range free {
			n.pattern, n.each = regexp.MustCompile(k), s.parse(v.(map[string]any))
		}
	}
	if items, ok := m["items"].(map[string]any); ok {
		n.each = s.parse(items)
	}
	n.filled = n.fill(n.def)
	return n
}

// at returns the object at a pointer such as "#/$defs/size" or "fleet.schema.json#/properties/uids".
func (s *schemas) at(pointer string) map[string]any {
	_, pointer, _ = strings.Cut(pointer, "#")
	if plain, err := url.PathUnescape(pointer); err == nil {
		pointer = plain
	}
	v := s.raw
	for step := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		m, ok := v.(map[string]any)
		if ok && step != "" {
			v = m[unescapePointer.Replace(step)]
		}
	}
	m, _ := v.(map[string]any)
	return m
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

func texts(v any) []string {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	var out []string
	list, _ := v.([]any)
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// fill returns v with every missing key that has a default set to it. v is not changed; the result shares with the
// schema and must not be either.
func (n *node) fill(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, max(len(v), len(n.props)))
		for k, item := range v {
			out[k] = n.below(k).fill(item)
		}
		for k, p := range n.props {
			if _, set := out[k]; !set && p.filled != nil {
				out[k] = p.filled
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = n.below("").fill(item)
		}
		return out
	}
	return v
}

// below returns the schema of a key or a list's item, an empty one where it is unknown.
func (n *node) below(key string) *node {
	if p, ok := n.props[key]; ok {
		return p
	}
	if n.each != nil {
		return n.each
	}
	return &node{}
}

// keys returns the fixed keys, sorted.
func (n *node) keys() []string { return slices.Sorted(maps.Keys(n.props)) }

// decode turns a complete document into the types. A mount without a target has that of its source.
func decode(doc any) (*fleet.Fleet, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	f := new(fleet.Fleet)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("cannot read the spec into its types: %w", err)
	}
	for _, a := range f.Agents {
		for i, m := range a.Mounts {
			if m.Target == "" {
				a.Mounts[i].Target = m.Source
			}
		}
	}
	return f, nil
}
