package unitfile

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestParseFixtures(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			u, err := Parse(a.Files[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(a.Files[1].Data), u.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
		})
	}
}

// What systemd 252 was seen to do with the same bytes.
func TestParseLineEnds(t *testing.T) {
	u, err := Parse([]byte("\uFEFF[Service]\r\nType=oneshot\rEnvironment=A=1\x00\n\r[Unit]\nAfter=x \\"))
	if err != nil {
		t.Fatal(err)
	}
	want := Unit{"Service": {"Type": {"oneshot"}, "Environment": {"A=1"}}, "Unit": {"After": {"x"}}}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseLongLine(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	u, err := Parse([]byte("[Service]\nEnvironment=A=" + long + "\n"))
	if err != nil || u.Last("Service", "Environment") != "A="+long {
		t.Errorf("a line of 200,000 bytes is not read: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"header":    "[Service]\nA=1\n[broken\nB=2\n",
		"encoding":  "[Service]\nA=1\nB=\xff\n",
		"long line": "[Service]\nA=1\nB=" + strings.Repeat("x", lineLengthLimit),
		"long sum":  "[Service]\nA=1\nB=" + strings.Repeat(strings.Repeat("x", 1000)+"\\\n", 1100),
	} {
		u, err := Parse([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%s: error is %v", name, err)
		}
		if diff := cmp.Diff(Unit{"Service": {"A": {"1"}}}, u); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

func TestValues(t *testing.T) {
	u, err := Parse([]byte("[Service]\nExecStart=a\nExecStart=\nExecStart=b\nCapabilityBoundingSet=\nPrivateTmp=yes\nPrivateTmp=\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b"}, u.Values("Service", "ExecStart")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{""}, u.Values("Service", "CapabilityBoundingSet")); diff != "" {
		t.Error("an emptied bounding set must not look like none:", diff)
	}
	if !u.Bool("Service", "PrivateTmp") {
		t.Error("systemd ignores an empty switch")
	}
	u = u.Merge(Unit{"Service": {"ExecStart": {"", "c"}}})
	if got := u.Last("Service", "ExecStart"); got != "c" {
		t.Errorf("a drop-in's value is %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"[Service]\nA=1\\\n#x\n b\n", "\uFEFF[]\n=\na=\\ \n", "[a\\]\nb\\=c\\\\\n\r\x00\n[", "a\\\n[x]\nb=\xff",
		"[x]\na=1\n a = 2 \\", "\\\n\\\n#\n[y]\n\uFEFFk=v\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		u, _ := Parse(text)
		printed := u.String()
		again, err := Parse([]byte(printed))
		if err != nil {
			t.Fatalf("%q prints as %q, which is refused: %v", text, printed, err)
		}
		if got := again.String(); got != printed {
			t.Fatalf("%q prints as %q and then as %q", text, printed, got)
		}
		if d := Diff(u, again); len(d) != 0 {
			t.Fatalf("%q differs from what it prints: %v", text, d)
		}
	})
}
