//go:build linux

package runner

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// The lines are those that the programs print.
func TestSaid(t *testing.T) {
	filler := strings.Repeat(strings.Repeat("x", 1023)+"\n", 2<<10)
	for name, c := range map[string]struct{ harness, log, want string }{
		"plain":        {"claude-code", `{"type":"result","result":"Done.","usage":{}}`, "Done."},
		"escapes":      {"claude-code", `{"type":"result","result":"a\"b\\c\/d\n\u00e9\u20AC\ud83d\ude00e"}`, "a\"b\\c/d\né€😀e"},
		"blanks":       {"claude-code", `{"x": 1, "result" : "Done.", "type":"result"}`, "Done."},
		"no key":       {"claude-code", `{"type":"result","text":"a \"result\":\"x\" b"}`, ""},
		"the last":     {"claude-code", "{\"type\":\"result\",\"result\":\"first\"}\nnoise\n{\"type\":\"result\",\"result\":\"last\"}\n", "last"},
		"no end":       {"claude-code", `{"type":"result","result":"cut of`, ""},
		"half a pair":  {"claude-code", `{"type":"result","result":"\ud83d\n\u12`, "\xed\xa0\xbd\n"},
		"nothing":      {"claude-code", "error: no network\n", ""},
		"long":         {"claude-code", `{"type":"result","result":"` + strings.Repeat("x", 40000) + `"}`, strings.Repeat("x", 16384)},
		"controls":     {"claude-code", `{"type":"result","result":"\u001b[2J\u0000x"}`, "\x1b[2Jx"}, // whoever shows it makes it printable
		"at the begin": {"claude-code", `{"type":"result","result":"first"}` + "\n" + filler, "first"},
		"in a middle":  {"claude-code", filler[:1<<20+7<<10] + `{"type":"result","result":"mid"}` + "\n" + filler[:1<<19], "mid"},
		"at the end":   {"claude-code", filler + `{"type":"result","result":"last"}`, "last"},
		"Codex":        {"codex", codexLog, `{"type":"turn.completed","input_tokens":7}`},
		"Gemini":       {"gemini", geminiLog, "I have\nread it."},
		"OpenCode":     {"opencode", opencodeLog, "I have read it."},
	} {
		form := strings.Join(saidLines(builtin(t, c.harness).Message), "\n")
		if got, err := tool(t, "said", form, file(t, c.log)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got[:min(len(got), 100)], err, c.want)
		}
	}
	for name, c := range map[string]struct{ log, want string }{
		"text":      {"line\nlast line\n", "line\nlast line\n"},
		"long text": {strings.Repeat("x", 40000), strings.Repeat("x", 16384)},
	} {
		if got, err := tool(t, "said", "", file(t, c.log)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got[:min(len(got), 100)], err)
		}
	}
	for _, form := range []string{"", `"x"` + "\nx\nlast"} {
		if got, err := tool(t, "said", form, "/nonexistent"); got != "" {
			t.Errorf("no log: %q, %v", got, err)
		}
	}
}

// FuzzSaid: a text comes out as it went in, however JSON writes it.
func FuzzSaid(f *testing.F) {
	for _, text := range []string{
		"", "plain", "\"quoted\" \\ / \b\f\n\r\t\x1b\x7f", "é€😀\u2028\u2029\ufffd", `\u0041 \\n`, "\"result\":\"x\"", "{\"type\":\"result\"}",
		strings.Repeat("\\\"", 100) + "😀",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) || len(text) > 4000 {
			return // JSON has no other, awk has no NUL, the rest is cut off
		}
		ascii, err := json.Marshal(text)
		check(t, err)
		var plain strings.Builder
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		check(t, e.Encode(text))
		for _, value := range []string{string(ascii), strings.TrimSpace(plain.String()), escaped(text)} {
			log := file(t, `{"type":"result","x":"y","result":`+value+`,"usage":{}}`+"\n")
			if got, err := tool(t, "said", "\"type\":\"result\"\nresult\nlast", log); err != nil || got != text {
				t.Errorf("%s: got %q, %v", value, got, err)
			}
		}
	})
}

// escaped writes every character as \uXXXX, those beyond the basic plane as a pair.
func escaped(text string) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&out, `\u%04X`, unit)
	}
	return `"` + out.String() + `"`
}
