package fleet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"fleet/schemas/fleet"
)

// object is a place of the schema.
type object map[string]any

func document(t *testing.T) object {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(fleet.Schema))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

// follow lays what $ref names under the place itself.
func (o object) follow(root object) object {
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	out := object(maps.Clone(root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)))
	for k, v := range o {
		out[k] = v
	}
	delete(out, "$ref")
	return out
}

func (o object) sub(key string) map[string]any {
	m, _ := o[key].(map[string]any)
	return m
}

func (o object) has(kind string) bool {
	switch v := o["type"].(type) {
	case string:
		return v == kind
	case []any:
		return slices.Contains(v, any(kind))
	case nil:
		return kind == "string" && o["enum"] != nil
	}
	return false
}

// Every key has a description, an example, and a default unless it is required; examples and defaults are valid.
func TestEveryKeyIsDescribed(t *testing.T) {
	root := document(t)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", map[string]any(root)); err != nil {
		t.Fatal(err)
	}
	keys := 0
	var visit func(at string, o object)
	visit = func(at string, o object) {
		props := o.sub("properties")
		required, _ := o["required"].([]any)
		for name, p := range props {
			keys++
			here, key := at+"/properties/"+name, object(p.(map[string]any))
			if key["description"] == nil || key["examples"] == nil {
				t.Errorf("%s needs a description and examples", here)
			}
			def, set := key["default"]
			if set == slices.Contains(required, any(name)) {
				t.Errorf("%s needs a default, or must be required, and not both", here)
			}
			values, _ := key["examples"].([]any)
			if def != nil {
				values = append(values, def)
			}
			schema := c.MustCompile("s.json#" + here)
			for _, v := range values {
				if err := schema.Validate(v); err != nil {
					t.Errorf("%s: %v: %v", here, v, err)
				}
			}
			visit(here, key)
		}
		for _, free := range o.sub("patternProperties") {
			visit(at+"/patternProperties", free.(map[string]any))
		}
		if items := o.sub("items"); items != nil {
			visit(at+"/items", items)
		}
	}
	visit("", root)
	for name, def := range root.sub("$defs") {
		visit("/$defs/"+name, def.(map[string]any))
	}
	if keys < 80 {
		t.Errorf("only %d keys were looked at", keys)
	}
}

// The Go types have the schema's keys and types; a field with omitempty is a key with the default null or one of two
// that exclude each other.
func TestTypesEqualSchema(t *testing.T) {
	root := document(t)
	compare(t, "fleet", root, root, reflect.TypeFor[fleet.Fleet]())
}

func compare(t *testing.T, at string, root, o object, typ reflect.Type) {
	t.Helper()
	o = o.follow(root)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case at == "fleet.defaults":
		return // an agent before it is one
	case typ.Kind() == reflect.Interface:
		return // a harness's own
	case typ.Kind() == reflect.Struct && o.has("object"):
		fields(t, at, root, o, typ)
	case typ.Kind() == reflect.Map && o.has("object"):
		props, free := o.sub("properties"), o.sub("patternProperties")
		for name, p := range merged(props, free) {
			element := typ.Elem()
			if strings.HasSuffix(at, "systemd.Unit") || strings.HasSuffix(at, "systemd.Service") {
				element = element.Elem()
			}
			compare(t, at+"."+name, root, p.(map[string]any), element)
		}
	case typ.Kind() == reflect.Slice && o.has("array"):
		compare(t, at+"[]", root, o.sub("items"), typ.Elem())
	case typ.Kind() == reflect.String && o.has("string"),
		typ.Kind() == reflect.Bool && o.has("boolean"),
		typ.Kind() == reflect.Int && o.has("integer"),
		typ.Kind() == reflect.Float64 && o.has("number"):
	default:
		t.Errorf("%s is a %s in Go and %v in the schema", at, typ, o["type"])
	}
}

func merged(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, b)
	return out
}

func fields(t *testing.T, at string, root, o object, typ reflect.Type) {
	t.Helper()
	props := merged(o.sub("properties"), nil)
	if o["additionalProperties"] != false {
		t.Errorf("%s must have additionalProperties false", at)
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p, ok := props[name].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is in Go alone", at, name)
			continue
		}
		delete(props, name)
		def, set := p["default"]
		if omit := options == "omitempty"; omit != (set && def == nil) && f.Type.Kind() != reflect.Pointer {
			t.Errorf("%s.%s: omitempty is %v, default is %v", at, name, omit, def)
		}
		compare(t, at+"."+name, root, p, f.Type)
	}
	for name := range props {
		t.Errorf("%s.%s is in the schema alone", at, name)
	}
}

// The forms that a spec may use all read into the types, and what is written reads back the same.
func TestForms(t *testing.T) {
	type forms struct {
		Iteration    []fleet.Iteration   `json:"iteration"`
		Instructions []fleet.Instruction `json:"instructions"`
		Systemd      fleet.Systemd       `json:"systemd"`
	}
	text := `{"iteration": ["5m", {"day": "5m", "night": "1h", "from": "08:00", "to": "20:00"}],
		"instructions": ["a", {"text": "b"}, {"file": "c.md"}],
		"systemd": {"Service": {"Nice": 5, "After": ["x", "y"], "NoNewPrivileges": true, "RemoveIPC": false,
		"LogLevelMax": "info"}}}`
	want := forms{
		Iteration:    []fleet.Iteration{{Day: "5m"}, {Day: "5m", Night: "1h", From: "08:00", To: "20:00"}},
		Instructions: []fleet.Instruction{{Text: "a"}, {Text: "b"}, {File: "c.md"}},
		Systemd: fleet.Systemd{Unit: map[string][]string{}, Service: map[string][]string{
			"Nice": {"5"}, "After": {"x", "y"}, "NoNewPrivileges": {"yes"}, "RemoveIPC": {"no"}, "LogLevelMax": {"info"},
		}},
	}
	for range 2 {
		var got forms
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	if err := json.Unmarshal([]byte(`{"Service": {"Nice": {}}}`), new(fleet.Systemd)); err == nil {
		t.Error("an object is no value of a directive")
	}
	if err := json.Unmarshal([]byte(`5`), new(fleet.Iteration)); err == nil {
		t.Error("a number is no iteration")
	}
}

// The schema's patterns and the Go parsers take the same texts.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{
		"5m", "1h30m", "45s", "", "5 minutes", "1d2h3m4s", "0s", "m", "999999d", "1m1h", "-1s",
		"1.5h", "٣m", "5m\n",
	} {
		f.Add(s)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(fleet.Schema))
	if err != nil {
		f.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", doc); err != nil {
		f.Fatal(err)
	}
	duration, size := c.MustCompile("s.json#/$defs/duration"), c.MustCompile("s.json#/$defs/size")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := fleet.Duration(s).Parse()
		if ok := duration.Validate(s) == nil; ok != (err == nil) && !tooLarge(err) {
			t.Errorf("duration %q: schema %v, Go %v", s, ok, err)
		}
		if d < 0 {
			t.Errorf("duration %q is negative: %v", s, d)
		}
		_, err = fleet.Size(s).Parse()
		if ok := size.Validate(s) == nil; ok != (err == nil) && !tooLarge(err) {
			t.Errorf("size %q: schema %v, Go %v", s, ok, err)
		}
	})
}

func tooLarge(err error) bool {
	return err != nil && (strings.HasSuffix(err.Error(), "is too long") || strings.HasSuffix(err.Error(),
		"is too large"))
}

func ExampleDuration_Parse() {
	d, _ := fleet.Duration("1h30m").Parse()
	fmt.Println(d)
	// Output: 1h30m0s
}
