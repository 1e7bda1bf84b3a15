package manifest_test

import (
	"reflect"
	"testing"

	"fleet/schemas/manifest"
	"fleet/schemas/schematest"
)

func TestSchema(t *testing.T) {
	schematest.Equal(t, "manifest.schema.json", reflect.TypeFor[manifest.Manifest]())
	b, err := manifest.Encode(newSealed().m)
	must(t, err)
	schematest.Accepts(t, "manifest.schema.json", b)
}
