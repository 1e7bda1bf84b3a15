package statustext_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/statustext"
	"fleet/schemas/status"
)

var update = flag.Bool("update", false, "write the expected texts")

// Each testdata/NAME.json is a status; NAME.WIDTH.txt is what a terminal of that width shows, NAME.detail.WIDTH.txt what
// is shown of its first agent. Width 0 is a pipe.
func TestGolden(t *testing.T) {
	time.Local = time.UTC
	texts, err := filepath.Glob("testdata/*.txt")
	must(t, err)
	if len(texts) == 0 {
		t.Fatal("no cases")
	}
	for _, path := range texts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			parts := strings.Split(filepath.Base(path), ".")
			width, err := strconv.Atoi(parts[len(parts)-2])
			must(t, err)
			got := render(t, parts[0], width, len(parts) == 4)
			if *update {
				must(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			must(t, err)
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func render(t *testing.T, name string, width int, detail bool) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	must(t, err)
	s, err := status.Parse(b)
	must(t, err)
	v := statustext.View{Now: s.Time.Add(3 * time.Minute), Width: width}
	if s.Source == status.SourceLive {
		v.Now = s.Time
	}
	if detail {
		return v.Detail(s, s.Agents[0])
	}
	return v.Text(s)
}

// EGR-E31: whatever an agent or a damaged file puts into a status, no text steers the terminal.
func TestE31StatusIsPrintable(t *testing.T) {
	b, err := os.ReadFile("testdata/busy.json")
	must(t, err)
	evil := `\u001b]2;evil\u0007\u001b[2J\u202e\r\n`
	hostile := bytes.ReplaceAll(b, []byte(`": "`), []byte(`": "`+evil))
	for _, key := range []string{"time", "since", "start", "end", "last", "next", "lastBeat"} {
		hostile = bytes.ReplaceAll(hostile, []byte(`"`+key+`": "`+evil), []byte(`"`+key+`": "`))
	}
	s, err := status.Parse(hostile)
	must(t, err)
	v := statustext.View{Now: s.Time}
	for _, text := range []string{v.Text(s), v.Detail(s, s.Agents[0])} {
		if !strings.Contains(text, `\u202e`) {
			t.Errorf("the hostile text is not in it: %q", text)
		}
		for _, r := range text {
			if !unicode.IsPrint(r) && r != '\n' {
				t.Errorf("%q in %q", r, text)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
