package audit

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// Names are the journal's names of the fields of a struct of texts and numbers, in their order: "bytesUp" is
// FLEET_BYTES_UP. Fields from the first one on that JSON does not have are left out.
func Names(t reflect.Type) []string {
	out := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if key == "-" {
			break
		}
		var b strings.Builder
		for _, c := range key {
			if unicode.IsUpper(c) {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToUpper(c))
		}
		out = append(out, Prefix+b.String())
	}
	return out
}

// AppendFields appends a line NAME=VALUE for each field of v that is not zero. Texts are written as Text has them.
func AppendFields(b []byte, names []string, v reflect.Value) []byte {
	for i, name := range names {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		b = append(b, name...)
		b = append(b, '=')
		if f.Kind() == reflect.String {
			b = append(b, Text(f.String())...)
		} else {
			b = strconv.AppendInt(b, f.Int(), 10)
		}
		b = append(b, '\n')
	}
	return b
}

// ReadFields sets the fields of v from those of a journal's entry; others are ignored. The error names the field that has
// no such value.
func ReadFields(fields map[string]string, names []string, v reflect.Value) error {
	for i, name := range names {
		text, ok := fields[name]
		if !ok {
			continue
		}
		if v.Field(i).Kind() == reflect.String {
			v.Field(i).SetString(Text(text))
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %q is no number", name, Text(text))
		}
		v.Field(i).SetInt(n)
	}
	return nil
}
