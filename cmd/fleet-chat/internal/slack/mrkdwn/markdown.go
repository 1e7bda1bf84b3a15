package mrkdwn

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown reads CommonMark, and ~~ for what is struck out.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Strikethrough))

// FromMarkdown returns Markdown as mrkdwn. What has no form there is kept as text: HTML, tables, pictures as links.
// Text that Markdown does not show at all, such as the definition of a link, is shown as it is written.
func FromMarkdown(source string) string {
	w := writer{source: []byte(strings.ReplaceAll(source, "\r\n", "\n"))}
	out := strings.TrimSpace(w.blocks(markdown.Parser().Parse(text.NewReader(w.source)), "\n\n"))
	if out == "" {
		return strings.TrimSpace(Escape(source))
	}
	return out
}

type writer struct {
	source       []byte
	bold, italic bool // is being written: marks do not nest
}

// blocks writes the blocks in n.
func (w *writer) blocks(n ast.Node, between string) string {
	var parts []string
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if s := w.block(c); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, between)
}

func (w *writer) block(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Heading:
		return w.heading(n)
	case *ast.ThematicBreak:
		return "───"
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		return code(w.lines(n))
	case *ast.HTMLBlock:
		html := w.lines(n)
		if n.HasClosure() {
			html += string(n.ClosureLine.Value(w.source))
		}
		return strings.TrimRight(Escape(html), "\n")
	case *ast.Blockquote:
		// Slack reads the escaped sign as a quote too.
		return indent(w.blocks(n, "\n\n"), "&gt; ", "&gt; ")
	case *ast.List:
		return w.list(n)
	default:
		return w.inlines(n)
	}
}

func (w *writer) heading(n *ast.Heading) string {
	return w.within(&w.bold, "*", func() string { return strings.ReplaceAll(w.inlines(n), "\n", " ") })
}

func (w *writer) list(n *ast.List) string {
	between := "\n"
	if !n.IsTight {
		between = "\n\n"
	}
	var items []string
	number := n.Start
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		mark := "• "
		if n.IsOrdered() {
			mark = fmt.Sprintf("%d. ", number)
			number++
		}
		items = append(items, indent(w.blocks(c, between), mark, "    "))
	}
	return strings.Join(items, between)
}

// indent puts first before the first line and next before each other.
func indent(s, first, next string) string { return first + strings.ReplaceAll(s, "\n", "\n"+next) }

// code writes a block of code. The mark that would end it early is broken up, as mrkdwn cannot escape it.
func code(s string) string {
	s = strings.ReplaceAll(strings.TrimRight(s, "\n"), "```", "`\u200b`\u200b`")
	return "```\n" + Escape(s) + "\n```"
}

func (w *writer) lines(n ast.Node) string { return string(n.Lines().Value(w.source)) }

// inlines writes what is in a line, or lines.
func (w *writer) inlines(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		b.WriteString(w.inline(c))
	}
	return b.String()
}

func (w *writer) inline(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Text:
		s := Escape(unescape(n.Value(w.source)))
		if n.SoftLineBreak() || n.HardLineBreak() {
			s += "\n"
		}
		return s
	case *ast.String:
		return Escape(string(n.Value))
	case *ast.CodeSpan:
		return w.codeSpan(n)
	case *ast.Emphasis:
		return w.emphasis(n)
	case *extast.Strikethrough:
		return "~" + w.inlines(n) + "~"
	case *ast.Link:
		return address(unescape(n.Destination), w.inlines(n))
	case *ast.Image:
		return address(unescape(n.Destination), w.inlines(n))
	case *ast.AutoLink:
		to := string(n.URL(w.source))
		if n.AutoLinkType == ast.AutoLinkEmail {
			to = "mailto:" + to
		}
		return address(to, "")
	case *ast.RawHTML:
		return Escape(string(n.Segments.Value(w.source)))
	default:
		return w.inlines(n)
	}
}

func (w *writer) emphasis(n *ast.Emphasis) string {
	switch {
	case w.inWord(n): // mrkdwn marks whole words only; it may well be a sum
		stars := strings.Repeat("*", n.Level)
		return stars + w.inlines(n) + stars
	case n.Level >= 2:
		return w.within(&w.bold, "*", func() string { return w.inlines(n) })
	default:
		return w.within(&w.italic, "_", func() string { return w.inlines(n) })
	}
}

// inWord reports whether a letter or digit stands directly before or behind a node.
func (w *writer) inWord(n ast.Node) bool {
	var last, next rune
	if t, ok := n.PreviousSibling().(*ast.Text); ok && !t.SoftLineBreak() {
		last, _ = utf8.DecodeLastRune(t.Value(w.source))
	}
	if t, ok := n.NextSibling().(*ast.Text); ok {
		next, _ = utf8.DecodeRune(t.Value(w.source))
	}
	return unicode.IsLetter(last) || unicode.IsDigit(last) || unicode.IsLetter(next) || unicode.IsDigit(next)
}

// within writes marked text, without marks where they stand already.
func (w *writer) within(on *bool, mark string, write func() string) string {
	if *on {
		return write()
	}
	*on = true
	defer func() { *on = false }()
	s := write()
	if strings.TrimSpace(s) == "" {
		return s
	}
	return mark + s + mark
}

func (w *writer) codeSpan(n *ast.CodeSpan) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Value(w.source))
		}
	}
	s := Escape(strings.ReplaceAll(b.String(), "\n", " "))
	if strings.Contains(s, "`") {
		return s // mrkdwn cannot show it as code
	}
	return "`" + s + "`"
}

var (
	schemes = regexp.MustCompile(`(?i)^(https?://|mailto:)[^\x00-\x20]`)

	// another is a label that reads as an address itself.
	another = regexp.MustCompile(`(?i)://|^[\w-]+(\.[\w-]+)+(/|$)`)

	addressEscaper = strings.NewReplacer(
		"|", "%7C", "<", "%3C", ">", "%3E", "\"", "%22", " ", "%20", "\t", "%09", "\n", "%0A",
	)
)

// address writes a link with a label, which is mrkdwn already. A label that reads as another address than the one it
// leads to stands beside it.
func address(to, label string) string {
	if !schemes.MatchString(to) {
		if label == "" || label == Escape(to) {
			return Escape(to)
		}
		return label + " (" + Escape(to) + ")"
	}
	to = Escape(addressEscaper.Replace(to))
	switch label = strings.ReplaceAll(label, "\n", " "); {
	case label == "", label == to, "mailto:"+label == to:
		return "<" + to + ">"
	case strings.ContainsAny(label, "<|>") || another.MatchString(label):
		return label + " (<" + to + ">)"
	default:
		return "<" + to + "|" + label + ">"
	}
}

// unescape resolves what Markdown writes with a backslash or an entity.
func unescape(s []byte) string {
	return string(util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(s))))
}
