package journal

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFieldsArguments(t *testing.T) {
	q := FieldsQuery{
		Namespace: "fleet-demo", UIDs: []int{7, 8}, MessageID: "aa", Match: []string{"X=1"}, Fields: []string{"F"},
		Since: time.Unix(100, 0), Lines: 5, Follow: true,
	}
	want := []string{
		"--quiet", "--no-pager", "--all", "--output=json", "--output-fields=_UID,MESSAGE_ID,F", "--namespace=fleet-demo", "--since=@100",
		"--lines=5", "--follow", "MESSAGE_ID=aa", "X=1", "_UID=7", "_UID=8",
	}
	if d := cmp.Diff(want, q.arguments()); d != "" {
		t.Error(d)
	}
	if got := (FieldsQuery{}).arguments(); !slices.Contains(got, "--lines=all") || slices.Contains(got, "--follow") {
		t.Errorf("%q", got)
	}
	// Nobody's records are asked for, not everybody's.
	if err := ReadFields(t.Context(), FieldsQuery{MessageID: "aa"}, func(f Fields) error { t.Errorf("%+v", f); return nil }); err != nil {
		t.Error(err)
	}
}

func TestFieldsParse(t *testing.T) {
	q := FieldsQuery{MessageID: "aa", Fields: []string{"F", "G", "H"}}
	f, ok := q.parse([]byte(`{"__REALTIME_TIMESTAMP":"1000001","_UID":"7","MESSAGE_ID":"aa","F":"x","G":[65,10],"Z":"no"}`))
	want := Fields{Time: time.Unix(1, 1000).UTC(), UID: 7, All: map[string]string{"F": "x", "G": "A\n"}}
	if d := cmp.Diff(want, f); d != "" || !ok {
		t.Error(d, ok)
	}
	for _, line := range []string{
		``, `[]`, `{"__REALTIME_TIMESTAMP":"1","MESSAGE_ID":"aa"}`, `{"__REALTIME_TIMESTAMP":"1","_UID":"x","MESSAGE_ID":"aa"}`,
		`{"__REALTIME_TIMESTAMP":"1","_UID":"7","MESSAGE_ID":"bb"}`, `{"_UID":"7","MESSAGE_ID":"aa"}`,
	} {
		if f, ok := q.parse([]byte(line)); ok {
			t.Errorf("%s: %+v", line, f)
		}
	}
}
