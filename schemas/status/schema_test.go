package status_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"fleet/schemas/status"
)

func TestSchemaAcceptsStatus(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("status.schema.json")
	must(t, err)
	for _, name := range []string{"testdata/live.json", "testdata/watchdog.json"} {
		b, err := os.ReadFile(name)
		must(t, err)
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		must(t, err)
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s, err := status.Parse(b)
		must(t, err)
		again, err := json.Marshal(s)
		must(t, err)
		v, err = jsonschema.UnmarshalJSON(bytes.NewReader(again))
		must(t, err)
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s, encoded again: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"empty":         "",
		"cut off":       `{"version":1,"project":"de`,
		"other version": `{"version":2}`,
		"no version":    `{}`,
		"too long":      `{"version":1}` + strings.Repeat(" ", status.MaxFile),
	} {
		if s, err := status.Parse([]byte(in)); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
}

// The schema and the Go types say the same: keys, kinds and which are required.
func TestSchemaEqualsTypes(t *testing.T) {
	b, err := os.ReadFile("status.schema.json")
	must(t, err)
	var doc map[string]any
	must(t, json.Unmarshal(b, &doc))
	if d := cmp.Diff(shapeOfType(reflect.TypeFor[status.Status]()), shapeOfSchema(t, doc)); d != "" {
		t.Errorf("types (-), schema (+):\n%s", d)
	}
}

// shapeOfType gives a struct as key -> shape, required keys marked by a bang.
func shapeOfType(t reflect.Type) any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string"
	case t.Kind() == reflect.Pointer:
		return shapeOfType(t.Elem())
	case t.Kind() == reflect.Slice:
		return []any{shapeOfType(t.Elem())}
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Uint64:
		return "integer"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() != reflect.Struct:
		return t.Kind().String()
	}
	out := map[string]any{}
	for i := range t.NumField() {
		name, opts, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if opts == "" {
			name += "!"
		}
		out[name] = shapeOfType(t.Field(i).Type)
	}
	return out
}

func shapeOfSchema(t *testing.T, s map[string]any) any {
	switch s["type"] {
	case "object":
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
