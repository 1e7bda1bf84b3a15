package unitfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const store = "/var/lib/fleet/store/"

var (
	hexA = strings.Repeat("a0", 16)
	hexB = strings.Repeat("b1", 16)
)

func TestDiff(t *testing.T) {
	const base = "[Unit]\nDescription=x\n[Service]\nType=exec\nEnvironment=A=1\nEnvironment=B=2\n"
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"same", base, base, nil},
		{
			"comment, order of keys and sections, description",
			base, "# c\n[Service]\nEnvironment=A=1\nEnvironment=B=2\nType=exec\n[Unit]\nDescription=y\nDocumentation=man:x(1)\n", nil,
		},
		{"fleet's own keys", base, base + "[Unit]\nX-Fleet-Generation=7\nX-Fleet-OnChange=manual\nX-Fleet-Agent=a\n", nil},
		{"a foreign X key counts", base, base + "[Unit]\nX-Mine=7\n", []string{"X-Mine: + 7"}},
		{"reload trigger", base, base + "[Unit]\nX-Fleet-ReloadTrigger=7\n", []string{"X-Fleet-ReloadTrigger: + 7"}},
		{
			"order of one key's values", base, "[Service]\nType=exec\nEnvironment=B=2\nEnvironment=A=1\n",
			[]string{"Environment: A=1, B=2 -> B=2, A=1"},
		},
		{
			"changed, added, removed", base, "[Service]\nType=simple\nEnvironment=A=1\nUser=x\n",
			[]string{"Environment: - B=2", "Type: exec -> simple", "User: + x"},
		},
		{"renamed section", "[Service]\nType=exec\n", "[X-Service]\nType=exec\n", []string{"Type: - exec", "Type: + exec"}},
		{"section added", "[Unit]\n", "[Unit]\n[Install]\nWantedBy=a.target\n", []string{"WantedBy: + a.target"}},
		{"cleared and set again", base, base + "Environment=\nEnvironment=A=1\nEnvironment=B=2\n", nil},
		{"continued over lines", "[Service]\nExecStart=/a b c\n", "[Service]\nExecStart=/a \\\nb \\\n\tc\n", nil},
		{
			"blanks in quotes", "[Service]\nExecStart=/a 'b c' \\\" d\n", "[Service]\nExecStart=/a 'b  c' \\\"  d\n",
			[]string{`ExecStart: /a 'b c' \" d -> /a 'b  c' \"  d`},
		},
		{
			"blanks where they count", "[Service]\nStandardInputText=a b\n", "[Service]\nStandardInputText=a  b\n",
			[]string{"StandardInputText: a b -> a  b"},
		},
		{"bounding set emptied", "[Service]\n", "[Service]\nCapabilityBoundingSet=\n", []string{`CapabilityBoundingSet: + ""`}},
		{
			"digest of the record",
			"[Service]\nExecStartPre=+" + store + hexA + "-record " + hexA + "\n",
			"[Service]\nExecStartPre=+" + store + hexA + "-record " + hexB + "\n", nil,
		},
		{
			"another record script",
			"[Service]\nExecStartPre=+" + store + hexA + "-record " + hexA + "\n",
			"[Service]\nExecStartPre=+" + store + hexB + "-record " + hexA + "\n",
			[]string{"ExecStartPre: +store:a0a0a0a0-record " + hexA + " -> +store:b1b1b1b1-record " + hexA},
		},
		{
			"digest of another command",
			"[Service]\nExecStart=" + store + hexA + "-run " + hexA + "\n",
			"[Service]\nExecStart=" + store + hexA + "-run " + hexB + "\n",
			[]string{"ExecStart: store:a0a0a0a0-run " + hexA + " -> store:a0a0a0a0-run " + hexB},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, change := range Diff(mustParse(t, c.old), mustParse(t, c.new)) {
				got = append(got, change.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestChangeStringShowsDifference(t *testing.T) {
	c := Change{Key: "ExecStart", Old: []string{strings.Repeat("p", 300) + "old\x1b[31m"}, New: []string{strings.Repeat("p", 300) + "new"}}
	got := c.String()
	if !strings.Contains(got, `old\x1b[31m`) || !strings.Contains(got, "new") || len(got) > 250 {
		t.Errorf("got %q", got)
	}
}

func mustParse(t *testing.T, text string) Unit {
	t.Helper()
	u, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return u
}
