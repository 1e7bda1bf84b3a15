package agents

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/session"
)

const record = `{"n":%,"kind":"session","start":"2026-03-02T10:00:00Z","end":"2026-03-02T10:05:00Z","result":"ok","exit":0}` + "\n"

func TestSessions(t *testing.T) {
	f := newFleet(t)
	if got, err := f.Sessions("lead", 5); err != nil || len(got) != 0 {
		t.Errorf("without records: %v, %v", got, err)
	}
	var text strings.Builder
	for _, n := range []string{"1", "2", "3"} {
		text.WriteString(strings.Replace(record, "%", n, 1))
	}
	write(t, text.String()+"\x1b]2;evil\a\n", f.Records("lead"), session.RecordsFile)
	got, err := f.Sessions("lead", 2)
	must(t, err)
	var numbers []int
	for _, r := range got {
		numbers = append(numbers, r.N)
	}
	if d := cmp.Diff([]int{3, 2}, numbers); d != "" {
		t.Error(d)
	}
}

// A file that was filled up is read at its end only.
func TestSessionsOfHugeFile(t *testing.T) {
	f := newFleet(t)
	write(t, strings.Repeat("x", 1<<20)+"\n"+strings.Replace(record, "%", "9", 1), f.Records("lead"), session.RecordsFile)
	path := filepath.Join(f.Records("lead"), session.RecordsFile)
	got, err := f.Sessions("lead", 5)
	if err != nil || len(got) != 1 || got[0].N != 9 {
		t.Errorf("got %v, %v", got, err)
	}
	must(t, os.Truncate(path, 1<<40))
	if got, err := f.Sessions("lead", 5); err != nil || len(got) != 0 {
		t.Errorf("sparse: %v, %v", got, err)
	}
}

// EGR-E31: what lies in place of the files is not followed and not waited for.
func TestE31RecordsAndSigns(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, "working 1 5 ok", outside)
	for name, plant := range map[string]func(path string) error{
		"link": func(p string) error { return os.Symlink(outside, p) },
		"fifo": func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		f := newFleet(t)
		for _, path := range []string{
			filepath.Join(f.Records("lead"), session.RecordsFile), filepath.Join(f.AgentOwn("lead"), session.NowFile),
			filepath.Join(f.AgentOwn("lead"), beatFile), filepath.Join(f.Records("lead"), session.SessionsDir),
		} {
			must(t, plant(path))
		}
		if got, err := f.Sessions("lead", 5); err == nil || len(got) != 0 {
			t.Errorf("%s: records %v", name, got)
		}
		if d := cmp.Diff(Signs{}, f.Signs("lead")); d != "" {
			t.Errorf("%s: signs %s", name, d)
		}
		if _, err := f.Transcript("lead", 1, func(string) error { return nil }); err == nil {
			t.Errorf("%s: a transcript was read", name)
		}
	}
}

func TestSigns(t *testing.T) {
	f := newFleet(t)
	write(t, "pausing 41 1795181012 ok\n", f.AgentOwn("lead"), session.NowFile)
	write(t, "", f.AgentOwn("lead"), beatFile)
	beat := time.Unix(1795181000, 0).UTC()
	must(t, os.Chtimes(filepath.Join(f.AgentOwn("lead"), beatFile), beat, beat))
	want := Signs{Beat: beat, Now: session.Now{State: session.Pausing, N: 41, At: time.Unix(1795181012, 0), Result: "ok"}}
	if d := cmp.Diff(want, f.Signs("lead")); d != "" {
		t.Error(d)
	}
}

func TestMessage(t *testing.T) {
	f := newFleet(t)
	job := session.Record{Kind: session.KindJob, N: 2}
	if got, err := f.Message("lead", job); err != nil || got != nil {
		t.Errorf("without records: %q, %v", got, err)
	}
	must(t, os.Mkdir(filepath.Join(f.Records("lead"), session.JobsDir), 0o700))
	if got, err := f.Message("lead", job); err != nil || got != nil {
		t.Errorf("without a message: %q, %v", got, err)
	}
	write(t, "I \x1b[1mdid\x1b[0m it.\n\x9bm\nAll", f.Records("lead"), session.JobsDir, "2.txt")
	got, err := f.Message("lead", job)
	if d := cmp.Diff([]string{"I did it.", `\ufffdm`, "All"}, got); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	must(t, os.Symlink("/etc/passwd", filepath.Join(f.Records("lead"), session.JobsDir, "3.txt")))
	if got, err := f.Message("lead", session.Record{Kind: session.KindJob, N: 3}); err == nil {
		t.Errorf("a link was followed: %q", got)
	}
	if got, err := f.Message("lead", session.Record{Kind: session.KindSession, N: 2}); err != nil || got != nil {
		t.Errorf("of a session: %q, %v", got, err)
	}
}

func TestTranscript(t *testing.T) {
	f := newFleet(t)
	for _, dir := range []string{session.SessionsDir, session.JobsDir} {
		must(t, os.Mkdir(filepath.Join(f.Records("lead"), dir), 0o700))
	}
	write(t, "one\n\x1b[1mtwo\x1b[0m\x1b]52;c;x\a\n", f.Records("lead"), session.SessionsDir, "1.log")
	write(t, strings.Repeat(strings.Repeat("x", 1023)+"\n", 5<<10), f.Records("lead"), session.JobsDir, "2.log")
	lines := func(n int) (out []string, cut bool) {
		cut, err := f.Transcript("lead", n, func(l string) error { out = append(out, l); return nil })
		must(t, err)
		return out, cut
	}
	if got, cut := lines(1); cut || cmp.Diff([]string{"one", "two"}, got) != "" {
		t.Errorf("got %q, %v", got, cut)
	}
	if got, cut := lines(2); !cut || len(got) != 4095 {
		t.Errorf("got %d lines, %v", len(got), cut)
	}
	if _, err := f.Transcript("lead", 3, nil); err == nil || !strings.Contains(err.Error(), "no transcript of a session 3") {
		t.Errorf("got %v", err)
	}
}
