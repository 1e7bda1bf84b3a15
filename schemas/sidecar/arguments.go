package sidecar

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"fleet/schemas/strict"
)

// Schema is a compiled constraint on arguments.
type Schema struct{ s *jsonschema.Schema }

// place is the schema's address for references inside it; nothing is ever loaded from anywhere.
const place = "arguments:schema"

const draft = "https://json-schema.org/draft/2020-12/schema"

// Compile reads a JSON Schema of draft 2020-12. A keyword that the draft does not have is an error, since a constraint with
// a slip in its name would constrain nothing; so is a reference to somewhere else. Formats are held to.
func Compile(text []byte) (*Schema, error) {
	doc, err := strict.Decode(text)
	if err != nil {
		return nil, err
	}
	if err := keywords(doc); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nowhere{})
	c.AssertFormat()
	if err := c.AddResource(place, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(place)
	if err != nil {
		return nil, err
	}
	return &Schema{s}, nil
}

// Validate tells what about a value that strict.Decode returned does not follow the schema. The error names places and what
// must hold, and may quote the value.
func (s *Schema) Validate(v any) error {
	err := s.s.Validate(v)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	_, faults, _ := strings.Cut(err.Error(), "\n") // the first line names the schema
	return errors.New(faults)
}

type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("%q must not be referred to: a schema stands alone", url)
}

// Keywords by what their value is.
var (
	plainKeywords = []string{
		"$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "const", "contentEncoding", "contentMediaType",
		"default", "dependentRequired", "deprecated", "description", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum",
		"format", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength",
		"minProperties", "minimum", "multipleOf", "pattern", "readOnly", "required", "title", "type", "uniqueItems", "writeOnly",
	}
	schemaKeywords = []string{
		"additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
		"unevaluatedItems", "unevaluatedProperties",
	}
	listKeywords = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	mapKeywords  = []string{"$defs", "dependentSchemas", "patternProperties", "properties"}
)

// keywords refuses those that the draft does not have.
func keywords(schema any) error {
	object, ok := schema.(map[string]any)
	if !ok {
		return nil // true, false, or what the compiler refuses
	}
	for _, name := range sorted(object) {
		if err := keyword(name, object[name]); err != nil {
			return err
		}
	}
	return nil
}

func keyword(name string, value any) error {
	var below []any
	switch {
	case slices.Contains(plainKeywords, name):
	case name == "$schema":
		if value != draft {
			return fmt.Errorf("$schema must be %s", draft)
		}
	case slices.Contains(schemaKeywords, name):
		below = []any{value}
	case slices.Contains(listKeywords, name):
		below, _ = value.([]any)
	case slices.Contains(mapKeywords, name):
		values, _ := value.(map[string]any)
		for _, key := range sorted(values) {
			below = append(below, values[key])
		}
	default:
		return fmt.Errorf("%q is no keyword of the draft", name)
	}
	for _, s := range below {
		if err := keywords(s); err != nil {
			return err
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
