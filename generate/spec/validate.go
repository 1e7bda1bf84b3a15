package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// validate holds doc against the schema and returns it without the values that it refuses, so that the other checks can
// go on.
func validate(found *faults, s *schemas, doc any) any {
	plain := normalized(doc, false)
	var invalid *jsonschema.ValidationError
	if !errors.As(s.valid.Validate(plain), &invalid) {
		return doc
	}
	v := translator{found: found, schema: s, doc: plain}
	v.walk(invalid)
	return without(doc, v.faulty)
}

// translator turns the validator's errors into entries.
type translator struct {
	found  *faults
	schema *schemas
	doc    any
	faulty []place
}

func (t *translator) walk(e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		t.walk(cause)
	}
	if len(e.Causes) == 0 {
		t.leaf(e)
	}
}

// place turns the validator's location into a path: it does not tell indexes from keys, the value does.
func (t *translator) located(steps []string) place {
	var p place
	for _, step := range steps {
		parent, _ := get(t.doc, p)
		if _, list := parent.([]any); list {
			step = "[" + step + "]"
		}
		p = p.in(step)
	}
	return p
}

func (t *translator) leaf(e *jsonschema.ValidationError) {
	p := t.located(e.InstanceLocation)
	value, _ := get(t.doc, p)
	at := t.schema.at(e.SchemaURL)
	isNot, _ := at["errorMessage"].(string)
	hint, _ := at["x-hint"].(string)
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		t.required(p, k.Missing)
		return
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			t.unknownKey(p.in(key), at, isNot, hint)
		}
		return
	case *kind.Type:
		message := "must be " + typeNames(at, k.Want) + ", is " + valueType(value)
		if isNot != "" && isScalar(value) && at["patternProperties"] == nil {
			message = show(value) + " " + isNot
		}
		if at["patternProperties"] != nil {
			hint = "" // it is about the keys
		}
		t.refuse(p, message, hint)
	case *kind.Enum:
		t.refuse(p, show(value)+" is not one of "+showList(k.Want), closest(value, k.Want))
	case *kind.Pattern, *kind.MinLength:
		if isNot == "" {
			isNot = "must not be empty"
			t.refuse(p, isNot, "leave the key out to have its default")
			return
		}
		t.refuse(p, show(value)+" "+isNot, hint)
	case *kind.MinProperties:
		t.refuse(p, "must not be empty", example(at))
	default:
		t.refuse(p, bound(e.ErrorKind, value), "")
	}
}

// refuse reports the value at p, once, and marks it as faulty.
func (t *translator) refuse(p place, message, hint string) {
	if slices.ContainsFunc(t.faulty, func(q place) bool { return slices.Equal(p, q) }) {
		return
	}
	t.faulty = append(t.faulty, p)
	t.found.error(p, message, hint)
}

// example returns a hint with the first example of a place.
func example(at map[string]any) string {
	if list, ok := at["examples"].([]any); ok && len(list) > 0 {
		return "such as " + show(list[0])
	}
	return ""
}

func (t *translator) required(p place, missing []string) {
	n := t.schema.root
	for _, step := range p {
		n = n.below(step)
	}
	for _, key := range missing {
		hint := ""
		if examples := n.below(key).examples; len(examples) > 0 {
			hint = fmt.Sprintf("write %s: %s", key, show(examples[0]))
		}
		t.found.error(p.in(key), "is missing", hint)
	}
	if len(p) > 0 {
		t.faulty = append(t.faulty, p)
	}
}

// bound says what limit a value breaks.
func bound(k jsonschema.ErrorKind, value any) string {
	switch k := k.(type) {
	case *kind.Minimum:
		return fmt.Sprintf("must be at least %s, is %s", decimal(k.Want), show(value))
	case *kind.Maximum:
		return fmt.Sprintf("must be at most %s, is %s", decimal(k.Want), show(value))
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, has %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, has %d", k.Want, k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, has %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d keys, has %d", k.Want, k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("items %d and %d are the same", k.Duplicates[0], k.Duplicates[1])
	}
	return fmt.Sprintf("breaks the schema's %s", strings.Join(k.KeywordPath(), "."))
}

// typeNames says in a person's words what types a place takes.
func typeNames(at map[string]any, want []string) string {
	if name, ok := at["x-type"].(string); ok && strings.HasPrefix(name, "list") {
		return "a " + name
	} else if ok {
		return name
	}
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = typeName(w)
	}
	return strings.Join(names, " or ")
}

func typeName(schemaType string) string {
	switch schemaType {
	case "object":
		return "an object"
	case "array":
		return "a list"
	case "string":
		return "text"
	case "boolean":
		return "true or false"
	case "integer":
		return "a whole number"
	}
	return "a " + schemaType
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any, nil:
		return false
	}
	return true
}

// valueType says what a value is, with the value where it is short.
func valueType(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "the text " + show(v)
	case json.Number:
		return "the number " + show(v)
	case nil:
		return "null"
	}
	return show(v)
}

const shownLength = 60 // characters of a value in a message: enough to find it by

// show writes a value as JSON, shortened, and without its secret part where it looks like a credential.
func show(v any) string {
	if text, ok := v.(string); ok {
		return strconv.Quote(clip(hideCredential(text)))
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(hideCredential(string(b)))
}

func clip(s string) string {
	runes := []rune(s)
	if len(runes) <= shownLength {
		return s
	}
	return string(runes[:shownLength]) + "..."
}

func showList(values []any) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = show(v)
	}
	return strings.Join(out, ", ")
}

// decimal writes a bound of the schema as a spec does.
func decimal(bound *big.Rat) string {
	if bound.IsInt() {
		return bound.RatString()
	}
	return strings.TrimRight(bound.FloatString(6), "0")
}
