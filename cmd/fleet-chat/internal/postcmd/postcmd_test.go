package postcmd

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

// listen answers alerts at a socket as f says, and returns its path and what came.
func listen(t *testing.T, f func(w http.ResponseWriter)) (path string, came *chatctl.Alert) {
	t.Helper()
	path, came = filepath.Join(t.TempDir(), "chat.sock"), new(chatctl.Alert)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != chatctl.AlertsPath || json.NewDecoder(r.Body).Decode(came) != nil {
			t.Errorf("got %s %s", r.Method, r.URL)
		}
		f(w)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return path, came
}

func says(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.Write([]byte(body)) }
}

func TestRun(t *testing.T) {
	for name, one := range map[string]struct {
		args   []string
		stdin  string
		answer func(http.ResponseWriter)
		status int
		want   chatctl.Alert
		says   string
	}{
		"stored": {
			[]string{"--channel", "alerts", "agent", "lead is stopped"},
			"", says(`{"message":{}}`), 0,
			chatctl.Alert{Channel: "alerts", Text: "agent lead is stopped"},
			"",
		},
		"counted": {[]string{"--channel", "general", "again"}, "", says(`{}`), 0, chatctl.Alert{Channel: "general", Text: "again"}, ""},
		"a dash first": {
			[]string{"--", "--channel is no flag here"},
			"", says(`{}`), 0,
			chatctl.Alert{Channel: chat.Alerts, Text: "--channel is no flag here"},
			"",
		},
		"standard input": {
			[]string{"-"}, "two\nlines\x1b[2J\n", says(`{}`), 0, chatctl.Alert{Channel: chat.Alerts, Text: "two\nlines[2J"}, "",
		},
		"long": {
			[]string{"-"},
			strings.Repeat("x", chat.MaxMessage+9), says(`{}`), 0,
			chatctl.Alert{Channel: chat.Alerts, Text: strings.Repeat("x", chat.MaxMessage)},
			"",
		},
		"refused": {
			[]string{"x"}, "", func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusConflict)
				says(`{"error":"there is no channel"}`)(w)
			}, 1, chatctl.Alert{Channel: chat.Alerts, Text: "x"}, "there is no channel",
		},
		"no text":    {nil, "", nil, 2, chatctl.Alert{}, "must not be empty"},
		"only signs": {[]string{"\x00\x1b"}, "", nil, 2, chatctl.Alert{}, "must not be empty"},
		"no channel": {[]string{"--channel=", "x"}, "", nil, 2, chatctl.Alert{}, "--channel must name"},
		"long wait":  {[]string{"--wait=2h", "x"}, "", nil, 2, chatctl.Alert{}, "--wait must be"},
		"a flag":     {[]string{"--as=lead", "x"}, "", nil, 2, chatctl.Alert{}, "not defined"},
		"help":       {[]string{"--help"}, "", nil, 0, chatctl.Alert{}, "Needs root"},
	} {
		t.Run(name, func(t *testing.T) {
			path, came := listen(t, one.answer)
			var stderr strings.Builder
			status := Run(append([]string{"--socket", path}, one.args...), strings.NewReader(one.stdin), &stderr)
			if status != one.status || !strings.Contains(stderr.String(), one.says) || one.says == "" && stderr.Len() > 0 {
				t.Errorf("status %d: %s", status, stderr.String())
			}
			if (came.Key == "") != (one.want == chatctl.Alert{}) {
				t.Errorf("key %q", came.Key)
			}
			if came.Key = ""; *came != one.want {
				t.Errorf("got %+v", came)
			}
		})
	}
}

// A chat that is not there, or never answers, holds nobody up.
func TestGivesUp(t *testing.T) {
	var stderr strings.Builder
	if status := Run([]string{"--socket", t.TempDir() + "/chat.sock", "x"}, nil, &stderr); status != 1 ||
		!strings.Contains(stderr.String(), "reach the chat at") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
	path := filepath.Join(t.TempDir(), "chat.sock")
	l, err := net.Listen("unix", path) // which nobody accepts from
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stderr.Reset()
	if status := Run([]string{"--socket", path, "--wait", "50ms", "x"}, nil, &stderr); status != 1 ||
		!strings.Contains(stderr.String(), "does not answer") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
	if status := Run([]string{"x"}, nil, &stderr); status != 2 || !strings.Contains(stderr.String(), "--socket must name") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
}
