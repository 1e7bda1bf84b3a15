//go:build linux

package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/session"
)

// recordLine is a record that ended so long ago.
func recordLine(n int, kind string, ago time.Duration, more string) string {
	at := time.Now().Add(-ago).UTC().Format(time.RFC3339)
	if kind == session.KindJob {
		more = `,"job":"x"` + more
	}
	return fmt.Sprintf(`{"n":%d,"kind":"%s","start":"%s","end":"%s","result":"ok","exit":0%s}`, n, kind, at, at, more)
}

// Records and transcripts of jobs and of sessions are kept as long as the spec says of each.
func TestRecordsAreBoundedByAge(t *testing.T) {
	dir := t.TempDir()
	var want []int
	text := ""
	for n, c := range []struct {
		kind string
		ago  time.Duration
		kept bool
	}{
		{session.KindSession, 60 * time.Hour, true},
		{session.KindSession, 73 * time.Hour, false},
		{session.KindJob, 60 * time.Hour, false},
		{session.KindJob, 47 * time.Hour, true},
		{session.KindSession, time.Minute, true},
	} {
		text += recordLine(n+1, c.kind, c.ago, "") + "\n"
		folder := map[string]string{session.KindSession: "sessions", session.KindJob: "jobs"}[c.kind]
		name := filepath.Join(dir, folder, fmt.Sprintf("%d.log", n+1))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, "")
		at := time.Now().Add(-c.ago)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
		if c.kept {
			want = append(want, n+1)
		}
	}
	for name, ago := range map[string]time.Duration{"kept": 71 * time.Hour, "old": 73 * time.Hour} {
		name = filepath.Join(dir, "talks", name)
		check(t, os.MkdirAll(filepath.Dir(name), 0o700))
		writeFile(t, name, "")
		check(t, os.Chtimes(name, time.Now(), time.Now().Add(-ago)))
	}
	writeFile(t, filepath.Join(dir, "sessions.jsonl"), text)
	if out, err := tool(t, "records", dir, "add", recordLine(6, session.KindJob, 0, ""), "4320", "2880"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "sessions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, r := range session.All(b) {
		got = append(got, r.N)
	}
	if d := cmp.Diff(append(want, 6), got); d != "" {
		t.Error(d)
	}
	logs, _ := filepath.Glob(filepath.Join(dir, "*/*.log"))
	if len(logs) != len(want) {
		t.Errorf("transcripts left: %v", logs)
	}
	if talks, _ := filepath.Glob(filepath.Join(dir, "talks/*")); len(talks) != 1 || filepath.Base(talks[0]) != "kept" {
		t.Errorf("conversations left: %v", talks)
	}
}

func TestRecordsAreBoundedByNumber(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "sessions.jsonl"), strings.Repeat(strings.Repeat("x", 255)+"\n", 5000))
	if out, err := tool(t, "records", dir, "add", "last", "60", "60"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "sessions.jsonl"))
	if n := strings.Count(string(b), "\n"); n != 2000 || !strings.HasSuffix(string(b), "\nlast\n") {
		t.Errorf("%d records are left, ending in %q", n, b[max(0, len(b)-10):])
	}
}

// Two that number or add at once get two numbers and leave two records.
func TestRecordsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	numbers := make([]string, 20)
	for i := range numbers {
		wg.Go(func() {
			out, err := tool(t, "records", dir, "number")
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			numbers[i] = strings.TrimSpace(out)
			if out, err := tool(t, "records", dir, "add", recordLine(i+1, session.KindSession, 0, ""), "60", "60"); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, n := range numbers {
		seen[n] = true
	}
	b, _ := os.ReadFile(filepath.Join(dir, "sessions.jsonl"))
	if len(seen) != len(numbers) || len(session.All(b)) != len(numbers) {
		t.Errorf("numbers %v, %d records", numbers, len(session.All(b)))
	}
}

func TestSpent(t *testing.T) {
	dir := t.TempDir()
	spent := func(dollars string) bool {
		_, err := tool(t, "records", dir, "spent", dollars)
		return err == nil
	}
	if spent("1") {
		t.Error("nothing is recorded")
	}
	lines := []string{
		recordLine(1, session.KindSession, 48*time.Hour, `,"costUSD":100`), recordLine(2, session.KindSession, 0, ""),
		recordLine(3, session.KindSession, 0, `,"tokensIn":7,"tokensOut":9,"costUSD":1.250000`), recordLine(4, session.KindJob, 0, `,"costUSD":0.5`),
		`{"costUSD":"x`, `"end":"x"`,
	}
	writeFile(t, filepath.Join(dir, "sessions.jsonl"), strings.Join(lines, "\n")+"\n")
	if spent("1.76") || !spent("1.75") || !spent("0.5") {
		t.Error("the sum of today is 1.75")
	}
}
