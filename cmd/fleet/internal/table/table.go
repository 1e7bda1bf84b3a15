// Package table renders text in columns for a terminal of any width.
package table

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Table is text in columns. Cells must be printable; a column is as wide as its widest cell.
type Table struct {
	Columns []Column
	Rows    [][]Cell
}

// Column is one column. Where the terminal is too narrow for all, those of the highest rank go first; rank 0 stays.
type Column struct {
	Title string
	Rank  int
}

// Cell is a text, coloured or not.
type Cell struct {
	Text  string
	Color string // one of the colour constants, "" is none
}

// Colours, as SGR parameters.
const (
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

// columnGap parts two columns.
const columnGap = "  "

// Cells makes a row without colours.
func Cells(texts ...string) []Cell {
	out := make([]Cell, len(texts))
	for i, t := range texts {
		out[i].Text = t
	}
	return out
}

// Render returns the table in at most width columns of the terminal; 0 is no limit.
func (t *Table) Render(width int, color bool) string {
	shown := t.fit(width)
	var b strings.Builder
	header := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		header[i].Text = c.Title
	}
	widths := t.widths()
	for _, row := range append([][]Cell{header}, t.Rows...) {
		b.WriteString(line(row, shown, widths, width, color))
		b.WriteByte('\n')
	}
	return b.String()
}

// fit returns the columns that are shown: those of the highest rank are left out until the rest fits.
func (t *Table) fit(width int) []int {
	widths := t.widths()
	var shown []int
	total := -len(columnGap)
	for i := range t.Columns {
		shown = append(shown, i)
		total += widths[i] + len(columnGap)
	}
	for width > 0 && total > width {
		last := slices.MaxFunc(shown, func(a, b int) int { return t.Columns[a].Rank - t.Columns[b].Rank })
		if t.Columns[last].Rank == 0 {
			break
		}
		shown = slices.DeleteFunc(shown, func(i int) bool { return i == last })
		total -= widths[last] + len(columnGap)
	}
	return shown
}

func (t *Table) widths() []int {
	out := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = utf8.RuneCountInString(c.Title)
		for _, row := range t.Rows {
			out[i] = max(out[i], utf8.RuneCountInString(row[i].Text))
		}
	}
	return out
}

// line renders one row. What does not fit is cut with a dot, so that rows stay rows.
func line(row []Cell, shown, widths []int, limit int, color bool) string {
	var b strings.Builder
	used := 0
	for n, i := range shown {
		text, gap := row[i].Text, ""
		if n > 0 {
			gap = columnGap
		}
		if limit > 0 {
			text = cut(text, limit-used-len(gap))
		}
		pad := widths[i] - utf8.RuneCountInString(text)
		used += len(gap) + widths[i]
		b.WriteString(gap + Paint(text, row[i].Color, color))
		if n < len(shown)-1 {
			b.WriteString(strings.Repeat(" ", max(0, pad)))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func cut(s string, n int) string {
	r := []rune(s)
	switch {
	case len(r) <= n:
		return s
	case n <= 0:
		return ""
	}
	return string(r[:n-1]) + "…"
}

// Paint colours a text where on says so.
func Paint(text, color string, on bool) string {
	if !on || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
