package session_test

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/schematest"
	"fleet/schemas/session"
)

func read(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/sessions.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSchema(t *testing.T) {
	schematest.Equal(t, "session.schema.json", reflect.TypeFor[session.Record]())
	for line := range bytes.Lines(read(t)) {
		schematest.Accepts(t, "session.schema.json", line)
	}
}

func TestAllLeavesOutWhatIsNoRecord(t *testing.T) {
	text := "ed\":1}\n" + string(read(t)) + "\x1b[2J\n{}\n" + `{"n":4,"kind":"job","job":"` + "\n"
	var got []string
	for _, r := range session.All([]byte(text)) {
		got = append(got, r.Kind+" "+r.Job+" "+r.Result)
	}
	if d := cmp.Diff([]string{"session  ok", "job nightly failed", "session  limit", "session  ok"}, got); d != "" {
		t.Error(d)
	}
}

// EGR-E31: what an agent writes as a record is taken as it should be or not at all.
func TestE31ParseRefuses(t *testing.T) {
	good := strings.SplitAfter(string(read(t)), "\n")[1]
	if _, err := session.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"kind":     {`"job",`, `"x",`},
		"job":      {`"nightly"`, `"\u001b[2J"`},
		"no job":   {`"job":"nightly",`, ``},
		"result":   {`"failed"`, `"\u001b]0;x"`},
		"number":   {`"n":2`, `"n":-2`},
		"thread":   {`"job":"nightly"`, `"job":"nightly","thread":"a/b"`},
		"escapes":  {`"kind":"job","job":"nightly"`, `"kind":"session","thread":"a/\u001b"`},
		"huge":     {`"n":2`, `"n":1e400`},
		"cost":     {`0.004368`, `-1`},
		"time":     {`"2026-03-02T10:13:00Z"`, `"now"`},
		"too long": {`{`, `{` + strings.Repeat(" ", session.MaxLine)},
	} {
		if !strings.Contains(good, change[0]) {
			t.Fatalf("%s: the record does not hold %q", name, change[0])
		}
		if r, err := session.Parse([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: accepted as %+v", name, r)
		}
	}
}

func TestParseNow(t *testing.T) {
	got, err := session.ParseNow([]byte("pausing 41 1795181012 ok\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := session.Now{State: session.Pausing, N: 41, At: time.Unix(1795181012, 0), Result: session.OK}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got, err := session.ParseNow([]byte("working 1 5 -")); err != nil || got.Result != "" {
		t.Errorf("first session: %+v, %v", got, err)
	}
	for _, line := range []string{"", "working", "working 1 2 \x1b[2J", "dancing 1 2 ok", "working -1 2 ok", "working 1 2 fine", "working 1 2 ok\nx"} {
		if now, err := session.ParseNow([]byte(line)); err == nil {
			t.Errorf("%q: accepted as %+v", line, now)
		}
	}
}

// FuzzParse: whatever is accepted holds nothing but fixed words, plain names, numbers and times.
func FuzzParse(f *testing.F) {
	for line := range bytes.Lines(read(f)) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := session.Parse(line)
		if err == nil && strings.ContainsFunc(r.Kind+r.Job+r.Result, func(c rune) bool { return c < ' ' || c > 'z' }) {
			t.Errorf("%q gives %+v", line, r)
		}
	})
}
