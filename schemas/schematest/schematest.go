// Package schematest holds a JSON Schema to the Go types that read and write the same data. Only tests import it.
package schematest

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Equal fails t unless the schema in file and typ say the same: keys, kinds, which are required; and unless every key
// of the schema has a description.
func Equal(t *testing.T, file string, typ reflect.Type) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(shapeOfType(typ), shapeOfSchema(t, spliced(doc, doc["$defs"]).(map[string]any))); d != "" {
		t.Errorf("types (-), schema (+):\n%s", d)
	}
}

// Accepts fails t unless the schema in file accepts the text.
func Accepts(t *testing.T, file string, text []byte) {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
}

// shapeOfType gives a struct as key -> shape, required keys marked by a bang.
func shapeOfType(t reflect.Type) any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "string"
	case reflect.TypeFor[json.RawMessage]():
		return "any"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOfType(t.Elem())
	case reflect.Float64:
		return "number"
	case reflect.Struct:
		out := map[string]any{}
		for i := range t.NumField() {
			name, opts, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if !strings.HasPrefix(opts, "omit") {
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
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	}
	return t.Kind().String()
}

// spliced puts what "#/$defs/NAME" names in the place of the reference.
func spliced(v, defs any) any {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			return spliced(defs.(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")], defs)
		}
		out := map[string]any{}
		for k, sub := range v {
			out[k] = spliced(sub, defs)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, sub := range v {
			out[i] = spliced(sub, defs)
		}
		return out
	}
	return v
}

func shapeOfSchema(t *testing.T, s map[string]any) any {
	switch kindOf(s) {
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
	if _, several := s["type"].([]any); several {
		return "any"
	}
	return s["type"]
}

// kindOf is the type of a schema; null beside it is what a nil slice is written as.
func kindOf(s map[string]any) any {
	if list, ok := s["type"].([]any); ok && len(list) == 2 && list[1] == "null" {
		return list[0]
	}
	return s["type"]
}
