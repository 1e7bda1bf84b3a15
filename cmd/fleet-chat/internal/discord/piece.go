package discord

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"fleet/cmd/fleet-chat/internal/split"
)

// messageMost is how long a message may be: 2000 code points, since Discord's interface counts the characters of a
// string of Python 3 (discord/discord-api-docs, issue 1315).
const messageMost = 2000

// piece is one message of a text.
type piece struct {
	text string
	form form
}

// pieces returns the messages of a text with room for their marks. Each begins with the line above, the first one also
// with the head. The texts of all pieces, as read gives them, are the text again.
func pieces(above, head, text string) []piece {
	text = strings.TrimSpace(clean(text))
	room := messageMost - markLength - split.Runes(above+head+guard)
	var all []piece
	for i, part := range split.Text(text, room, split.Runes) {
		if i > 0 {
			head = ""
		}
		if strings.TrimSpace(part.Text) != "" {
			all = append(all, newPiece(above, head, part))
		}
	}
	return all
}

func newPiece(above, head string, part split.Part) piece {
	text, f := part.Text, form(0)
	if part.Close != "" {
		f |= broken
		text = strings.TrimSuffix(text, "\n")
		f |= tailOf(part.Text[len(text):])
		text += "\n" + strings.TrimPrefix(part.Close, "\n")
	} else {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
		if tail := tailOf(part.Text[len(text):]); tail != 0 {
			f |= tail
		} else {
			text = part.Text
		}
	}
	if part.Open != "" {
		f |= reopened
		text = part.Open + text
	}
	if head != "" {
		f |= headed
	}
	if above != "" {
		f |= named
	}
	if text = above + head + text; strings.TrimLeftFunc(text, unicode.IsSpace) != text {
		text = guard + text
	}
	return piece{text, f}
}

// tailOf returns the flags of a tail, 0 if there are none for it.
func tailOf(text string) form {
	for i, tail := range tails {
		if tail == text {
			return form(i) * tailLow
		}
	}
	return 0
}

// read returns what a piece says, and the head, from a message without its mark. A message that is not as we wrote it,
// by whatever happened to it, still gives a text.
func (p piece) read() (head, text string) {
	text = strings.TrimLeft(p.text, symbols)
	if p.form.has(named) {
		text = text[len(namePattern.FindString(text)):]
	}
	if p.form.has(headed) {
		if found := headPattern.FindStringSubmatch(text); found != nil {
			head, text = unescape(found[1]), text[len(found[0]):]
		}
	}
	if p.form.has(reopened) {
		_, text, _ = strings.Cut(text, "\n")
	}
	if p.form.has(broken) {
		if i := strings.LastIndexByte(text, '\n'); i >= 0 {
			text = text[:i]
		}
	}
	return head, text + p.form.tail()
}

var (
	namePattern = regexp.MustCompile(`^\*\*([^*\n]+)\*\*\n`)
	headPattern = regexp.MustCompile(`^\*\*((?:[^*\n\\]|\\.)+)\*\*(?:\n\n|$)`)
	special     = regexp.MustCompile("[\\\\*_`~|]")
	escaped     = regexp.MustCompile("\\\\([\\\\*_`~|])")
)

// escape writes a line so that Markdown shows it as it is.
func escape(line string) string { return special.ReplaceAllString(line, `\$0`) }

func unescape(line string) string { return escaped.ReplaceAllString(line, "$1") }

// clean makes a text fit to be sent: without the symbols of marks, and without control characters, which Discord drops
// or draws as it likes.
func clean(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || '\u2061' <= r && r <= '\u2064' {
			return -1
		}
		return r
	}, text)
}

// oneLine makes one line of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(clean(text)), " ") }

// bareLine makes one line of a text, without what Markdown reads.
func bareLine(text string) string { return oneLine(special.ReplaceAllString(text, "")) }
