package machine

import (
	"io"
	"strings"
	"sync"
	"unicode"
)

// tailBytes is about the last forty lines of a console, enough to see why a boot failed.
const tailBytes = 4 << 10

// tail keeps the end of what is written to it, and passes everything on. It can be written and read at the same time.
type tail struct {
	also io.Writer // or nil

	mu  sync.Mutex
	end []byte
}

// Write never fails: a console that nobody can read must not stop the machine.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if n := len(t.end) - tailBytes; n > 0 {
		t.end = append([]byte(nil), t.end[n:]...)
	}
	if t.also != nil {
		_, _ = t.also.Write(p)
	}
	return len(p), nil
}

// String returns the console's end as an appendix to an error, or "".
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(plain(string(t.end)))
	if text == "" {
		return ""
	}
	return "\nend of its console:\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// plain removes terminal sequences and control characters other than line feeds.
func plain(s string) string {
	var b strings.Builder
	esc := false
	for _, c := range s {
		switch {
		case c == '\x1b':
			esc = true
		case esc:
			esc = !unicode.IsLetter(c)
		case c == '\n' || unicode.IsPrint(c):
			b.WriteRune(c)
		}
	}
	return b.String()
}
