// Package chattext shows messages and tasks to a person. Agents and strangers wrote them: what could steer a terminal is
// taken out or escaped here, and no text can look like the head of another message.
package chattext

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"fleet/activate/plaintext"
	"fleet/cmd/fleet/internal/table"
	"fleet/schemas/chat"
)

// View says how they are shown.
type View struct {
	Width int // columns of the terminal, 0 is no limit
	Color bool
}

const (
	second, minute = "2006-01-02 15:04:05", "2006-01-02 15:04"

	// indent is in front of each further line of a text: heads begin at the left.
	indent = "    "

	maxName, maxTitle = 40, 200
)

// Message shows one message, in a line or more.
func (v View) Message(m chat.Message) string {
	head := fmt.Sprintf("%s  %s#%d  ", m.Time.Local().Format(second), plaintext.Line(m.Channel), m.Seq)
	if m.Thread != "" {
		head += plaintext.Line(m.Thread) + "  "
	}
	head += v.who(m.From)
	if len(m.To) > 0 {
		head += " to " + plaintext.Short(strings.Join(m.To, ", "), maxTitle)
	}
	first, rest, _ := strings.Cut(strings.TrimRight(m.Text, "\n"), "\n")
	text := head + ": " + line(first) + "\n" + indented(rest)
	if m.Cut {
		text += indent + "(the rest was cut)\n"
	}
	return text
}

// indented shows the lines of a text.
func indented(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	for l := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight(indent+line(l), " ") + "\n")
	}
	return b.String()
}

// joiners are parts of some emoji and scripts. Alone they steer nothing; escaped they would be noise.
var joiners = strings.NewReplacer("\u200c", "", "\u200d", "")

// shownLine is how much of a line plaintext takes at a time.
const shownLine = 8 << 10

// Line shows a short text, such as a title or the reason of a refusal, in one line.
func Line(text string, most int) string { return plaintext.Short(joiners.Replace(text), most) }

// line makes a line of any length safe to show.
func line(s string) string {
	s = joiners.Replace(s)
	var b strings.Builder
	for len(s) > shownLine {
		n := shownLine
		for n > shownLine-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		b.WriteString(plaintext.Line(s[:n]))
		s = s[n:]
	}
	b.WriteString(plaintext.Line(s))
	return b.String()
}

func (v View) who(a chat.Author) string { return table.Paint(Who(a), color(a), v.Color) }

// Who names an author: an agent by its key, a person by @NAME, which no agent's key looks like.
func Who(a chat.Author) string {
	switch a.Kind {
	case chat.KindAgent:
		return plaintext.Short(a.ID, maxName)
	case chat.KindFleet:
		return "the fleet"
	}
	name := "@" + plaintext.Short(a.Name, maxName)
	switch {
	case a.Untrusted && a.Bot:
		return name + " (bot, untrusted)"
	case a.Untrusted:
		return name + " (untrusted)"
	case a.Bot:
		return name + " (bot)"
	}
	return name
}

func color(a chat.Author) string {
	switch {
	case a.Kind == chat.KindAgent:
		return table.Green
	case a.Kind == chat.KindFleet:
		return table.Red
	case a.Untrusted:
		return table.Yellow
	}
	return ""
}

// Tasks shows tasks in a table.
func (v View) Tasks(all []chat.Task) string {
	t := table.Table{Columns: []table.Column{
		{Title: "TASK"}, {Title: "STATE"}, {Title: "FOR"}, {Title: "CHANGED", Rank: 1}, {Title: "FROM", Rank: 2}, {Title: "TITLE"},
	}}
	for _, one := range all {
		row := table.Cells(fmt.Sprint(one.Number), plaintext.Line(one.State), assignee(one, "-"),
			one.Updated.Local().Format(minute), Who(one.From), title(one))
		row[1].Color = map[string]string{chat.Blocked: table.Red, chat.InProgress: table.Green}[one.State]
		row[4].Color = color(one.From)
		t.Rows = append(t.Rows, row)
	}
	return t.Render(v.Width, v.Color)
}

func assignee(t chat.Task, nobody string) string {
	if t.Assignee == "" {
		return nobody
	}
	return plaintext.Short(t.Assignee, maxName)
}

func title(t chat.Task) string {
	text := Line(t.Title, maxTitle)
	if t.Untrusted && !t.From.Untrusted {
		text += " (in part untrusted)"
	}
	return text
}

// Task shows all of one task, and what was said about it.
func (v View) Task(t chat.Task, said []chat.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "task %d: %s\n", t.Number, title(t))
	fmt.Fprintf(&b, "%s, of %s; made by %s on %s, changed on %s\n", plaintext.Line(t.State), assignee(t, "nobody"),
		v.who(t.From), t.Created.Local().Format(minute), t.Updated.Local().Format(minute))
	if t.Body != "" {
		b.WriteString("\n" + indented(t.Body))
	}
	if len(said) > 0 {
		b.WriteString("\n")
	}
	for _, m := range said {
		b.WriteString(v.Message(m))
	}
	return b.String()
}
