package journal_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/journal"
)

func read(t *testing.T, text string) []journal.Entry {
	t.Helper()
	var got []journal.Entry
	if err := journal.Parse(strings.NewReader(text), func(e journal.Entry) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// EGR-E31: records in every form that journalctl writes, with what an agent may put into them.
func TestE31Parse(t *testing.T) {
	b, err := os.ReadFile("testdata/records.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int) time.Time { return time.Unix(1772445600+int64(s), 0).UTC() }
	const unit = "fleet-demo-lead.service"
	want := []journal.Entry{
		{Time: at(0), Unit: unit, Priority: 6, Message: "iteration 12: working"},
		{Time: at(1), Unit: unit, Priority: 3, Message: "Failed to start."},
		{Time: at(2), Unit: unit, Priority: 6, Message: "hi"},
		{Time: at(3), Unit: unit, Priority: 6, Message: "second"},
		{Time: at(4), Unit: unit, Priority: 6},
		{Time: at(5), Unit: unit, Priority: 6, Message: `last, without a line end \u202e`},
	}
	if d := cmp.Diff(want, read(t, string(b))); d != "" {
		t.Error(d)
	}
}

func TestParseSkipsLongLines(t *testing.T) {
	record := `{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}` + "\n"
	got := read(t, record+`{"MESSAGE":"`+strings.Repeat("a", 3<<20)+"\"}\n"+record)
	if len(got) != 2 {
		t.Errorf("got %d records, want 2", len(got))
	}
}

func TestParseStops(t *testing.T) {
	stop := errors.New("enough")
	record := `{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}` + "\n"
	n := 0
	err := journal.Parse(strings.NewReader(record+record), func(journal.Entry) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("got %v after %d records", err, n)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/records.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Fuzz(func(t *testing.T, s string) {
		for _, e := range read(t, s) {
			if i := strings.IndexFunc(e.Message+e.Unit, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%+v is not printable", e)
			}
		}
	})
}
