package sidecar_test

import (
	"strings"
	"testing"

	"fleet/schemas/sidecar"
	"fleet/schemas/strict"
)

func TestCompileRefuses(t *testing.T) {
	for want, text := range map[string]string{
		"is not JSON":                     `{`,
		"stands twice":                    `{"type": "object", "type": "string"}`,
		`"patern" is no keyword`:          `{"properties": {"a": {"patern": "x"}}}`,
		`"requierd" is no keyword`:        `{"allOf": [{"requierd": ["a"]}]}`,
		`"definitions" is no keyword`:     `{"definitions": {}}`,
		"$schema must be":                 `{"$schema": "http://json-schema.org/draft-07/schema#"}`,
		"must not be referred to":         `{"$ref": "file:///etc/hostname"}`,
		"https://example.com/other.json":  `{"$ref": "https://example.com/other.json"}`,
		"got number, want string":         `{"pattern": 1}`,
		"'*' is not valid regex":          `{"pattern": "*"}`,
		"value must be one of":            `{"type": "objekt"}`,
		"\"x\" is no keyword of the draf": `{"if": {"not": {"items": {"x": 1}}}}`,
	} {
		if _, err := sidecar.Compile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct{ schema, value, want string }{
		{`{"properties": {"owner": {"const": "acme"}}, "required": ["owner"]}`, `{"owner": "acme"}`, ""},
		{`{"properties": {"owner": {"const": "acme"}}, "required": ["owner"]}`, `{"owner": "evil"}`, "at '/owner'"},
		{`{"properties": {"owner": {"const": "acme"}}, "required": ["owner"]}`, `{}`, "missing property 'owner'"},
		{`{"additionalProperties": false}`, `{"x": 1}`, "additional properties 'x' not allowed"},
		{`{"properties": {"n": {"maximum": 9007199254740992}}}`, `{"n": 9007199254740993}`, "maximum"},
		{`{"properties": {"u": {"format": "email"}}}`, `{"u": "not one"}`, "email"},
		{`{"$ref": "#/$defs/o", "$defs": {"o": {"maxProperties": 1}}}`, `{"a": 1, "b": 2}`, "maxProperties"},
		{`false`, `{}`, "false schema"},
		{`true`, `{"x": [1]}`, ""},
	} {
		s, err := sidecar.Compile([]byte(c.schema))
		must(t, err)
		v, err := strict.Decode([]byte(c.value))
		must(t, err)
		err = s.Validate(v)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s of %s: got %v, want %q", c.value, c.schema, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "arguments:schema") {
			t.Errorf("names the schema: %v", err)
		}
	}
}
