package policy_test

import (
	"reflect"
	"testing"

	"fleet/schemas/policy"
	"fleet/schemas/schematest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func compile(t testing.TB, p policy.Policy) *policy.Matcher {
	t.Helper()
	m, err := p.Compile()
	must(t, err)
	return m
}

func TestSchema(t *testing.T) {
	schematest.Equal(t, "policy.schema.json", reflect.TypeFor[policy.Policy]())
}
