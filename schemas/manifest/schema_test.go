package manifest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"fleet/schemas/manifest"
)

func TestSchemaAcceptsManifest(t *testing.T) {
	c := jsonschema.NewCompiler()
	s, err := c.Compile("manifest.schema.json")
	must(t, err)
	b, err := manifest.Encode(newSealed().m)
	must(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	must(t, err)
	must(t, s.Validate(v))
}

// The schema and the Go types say the same: keys, kinds and which are required.
func TestSchemaEqualsTypes(t *testing.T) {
	b, err := os.ReadFile("manifest.schema.json")
	must(t, err)
	var doc map[string]any
	must(t, json.Unmarshal(b, &doc))
	if d := cmp.Diff(shapeOfType(reflect.TypeFor[manifest.Manifest]()), shapeOfSchema(t, doc)); d != "" {
		t.Errorf("types (-), schema (+):\n%s", d)
	}
}

// shapeOfType gives a struct as key -> shape, required keys marked by a bang.
func shapeOfType(t reflect.Type) any {
	switch t.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for i := range t.NumField() {
			name, opts, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if opts != "omitempty" {
				name += "!"
			}
			out[name] = shapeOfType(t.Field(i).Type)
		}
		return out
	case reflect.Slice, reflect.Array:
		return []any{shapeOfType(t.Elem())}
	case reflect.Map:
		return []any{"map", shapeOfType(t.Elem())}
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	}
	return t.Kind().String()
}

func shapeOfSchema(t *testing.T, s map[string]any) any {
	if s["description"] == nil && s["properties"] != nil {
		t.Errorf("no description: %v", s)
	}
	switch s["type"] {
	case "object":
		if items, ok := s["additionalProperties"].(map[string]any); ok {
			return []any{"map", shapeOfSchema(t, items)}
		}
		out := map[string]any{}
		for name, sub := range s["properties"].(map[string]any) {
			if sub.(map[string]any)["description"] == nil {
				t.Errorf("%s has no description", name)
			}
			for _, r := range s["required"].([]any) {
				if r == name {
					name += "!"
				}
			}
			out[name] = shapeOfSchema(t, sub.(map[string]any))
		}
		return out
	case "array":
		return []any{shapeOfSchema(t, s["items"].(map[string]any))}
	case nil:
		return "integer" // the constant version
	}
	return s["type"]
}
