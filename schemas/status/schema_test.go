package status_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"fleet/schemas/schematest"
	"fleet/schemas/status"
)

func TestSchemaAcceptsStatus(t *testing.T) {
	for _, name := range []string{"testdata/live.json", "testdata/watchdog.json"} {
		b, err := os.ReadFile(name)
		must(t, err)
		schematest.Accepts(t, "status.schema.json", b)
		s, err := status.Parse(b)
		must(t, err)
		again, err := json.Marshal(s)
		must(t, err)
		schematest.Accepts(t, "status.schema.json", again)
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

func TestSchemaEqualsTypes(t *testing.T) {
	schematest.Equal(t, "status.schema.json", reflect.TypeFor[status.Status]())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
