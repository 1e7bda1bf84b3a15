package audit_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/audit"
	"fleet/schemas/schematest"
)

// An entry is a record and its time, and its schema says the same.
func TestEntrySchema(t *testing.T) {
	b, err := json.Marshal(audit.Entry{Time: time.Unix(1, 0).UTC(), Record: full})
	if err != nil {
		t.Fatal(err)
	}
	schematest.Accepts(t, "entry.schema.json", b)
	record, entry := properties(t, "audit.schema.json"), properties(t, "entry.schema.json")
	delete(entry, "time")
	if d := cmp.Diff(record, entry); d != "" {
		t.Error(d)
	}
}

func properties(t *testing.T, file string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Properties map[string]any }
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Properties
}
