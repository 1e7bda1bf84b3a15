package chattext_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/chattext"
	"fleet/schemas/chat"
)

var update = flag.Bool("update", false, "write the expected texts")

// Each testdata/NAME.WIDTH.txt is what a terminal of that width shows of NAME.json; width 0 is a pipe. talk are messages,
// tasks are tasks, task is the first of these with the messages.
func TestGolden(t *testing.T) {
	time.Local = time.UTC
	texts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(texts) == 0 {
		t.Fatal(texts, err)
	}
	for _, path := range texts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			parts := strings.Split(filepath.Base(path), ".")
			width, err := strconv.Atoi(parts[1])
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, parts[0], chattext.View{Width: width})
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func load[T any](t *testing.T, name string) (out []T) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func render(t *testing.T, what string, v chattext.View) string {
	t.Helper()
	talk, tasks := load[chat.Message](t, "talk.json"), load[chat.Task](t, "tasks.json")
	switch what {
	case "tasks":
		return v.Tasks(tasks)
	case "task":
		return v.Task(tasks[0], talk[2:3])
	}
	var b strings.Builder
	for _, m := range talk {
		b.WriteString(v.Message(m))
	}
	return b.String()
}

// Who is untrusted looks so in colour too, and what was written brings none.
func TestColor(t *testing.T) {
	got := render(t, "talk", chattext.View{Color: true})
	for _, want := range []string{"\x1b[32mlead\x1b[0m: ", "  @ana to", "\x1b[33m@lead (untrusted)\x1b[0m: ", "\x1b[31mthe fleet\x1b[0m: "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\x1b"); n != 10 {
		t.Errorf("%d escapes in\n%q", n, got)
	}
}

// A line of any length is shown whole.
func TestLongLine(t *testing.T) {
	text := strings.Repeat("ü€x", 20_000)
	got := chattext.View{}.Message(chat.Message{Text: text})
	if !strings.HasSuffix(got, ": "+text+"\n") {
		t.Errorf("got %d bytes, want %d", len(got), len(text))
	}
}

// Whatever was written, nothing steers the terminal, and each line but the first is indented: none looks like a head.
func FuzzMessage(f *testing.F) {
	f.Add("general", "lead", "Atlas", "a text\nof two lines", "task-7")
	f.Add("\x1b[2J", "\n", "\x9b31m", "\x1b]2;a\x07\r\r\n\n2026-05-01 12:03:00  general#4  lead: x", "\u202e")
	f.Fuzz(func(t *testing.T, channel, id, name, text, thread string) {
		for _, kind := range []string{chat.KindAgent, chat.KindPerson, chat.KindFleet, id} {
			m := chat.Message{
				Channel: channel, Thread: thread, From: chat.Author{Kind: kind, ID: id, Name: name}, To: []string{id}, Text: text,
			}
			lines := strings.Split(strings.TrimSuffix(chattext.View{}.Message(m), "\n"), "\n")
			for i, line := range lines {
				if i > 0 && line != "" && !strings.HasPrefix(line, "    ") {
					t.Errorf("%q looks like a head", line)
				}
				printable(t, line)
			}
			task := chat.Task{Title: text, Assignee: id, State: thread, From: m.From}
			table := chattext.View{}.Tasks([]chat.Task{task})
			if strings.Count(table, "\n") != 2 {
				t.Errorf("%q", table)
			}
			printable(t, strings.ReplaceAll(table, "\n", ""))
		}
	})
}

func printable(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if !unicode.IsPrint(r) {
			t.Errorf("%q in %q is not printable", r, s)
		}
	}
}
