package table_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/table"
)

func sample() *table.Table {
	return &table.Table{
		Columns: []table.Column{{Title: "AGENT"}, {Title: "STATE"}, {Title: "SESSION", Rank: 1}, {Title: "MEMORY", Rank: 2}},
		Rows: [][]table.Cell{
			{{Text: "lead"}, {Text: "working", Color: table.Green}, {Text: "#41, 12 min"}, {Text: "612M/4G"}},
			table.Cells("grün", "failed", "-", "-"),
		},
	}
}

func TestRender(t *testing.T) {
	for name, c := range map[string]struct {
		width int
		color bool
		want  string
	}{
		"no limit": {want: `
AGENT  STATE    SESSION      MEMORY
lead   working  #41, 12 min  612M/4G
grün   failed   -            -
`},
		"one column less": {width: 34, want: `
AGENT  STATE    SESSION
lead   working  #41, 12 min
grün   failed   -
`},
		"two columns less": {width: 26, want: `
AGENT  STATE
lead   working
grün   failed
`},
		"cut": {width: 10, want: `
AGENT  ST…
lead   wo…
grün   fa…
`},
		"colour takes no room": {width: 36, color: true, want: `
AGENT  STATE    SESSION      MEMORY
lead   ` + "\x1b[32mworking\x1b[0m" + `  #41, 12 min  612M/4G
grün   failed   -            -
`},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), sample().Render(c.width, c.color)); d != "" {
				t.Error(d)
			}
		})
	}
}

// No width makes a line too long or ends in a panic.
func TestRenderAnyWidth(t *testing.T) {
	for width := 1; width < 60; width++ {
		for l := range strings.Lines(sample().Render(width, false)) {
			if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > width {
				t.Errorf("width %d: %q has %d", width, l, n)
			}
		}
	}
}
