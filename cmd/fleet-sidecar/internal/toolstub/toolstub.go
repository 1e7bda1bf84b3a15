// Package toolstub is an MCP server for tests that does whatever a server may do wrong, as it is told. It speaks the
// protocol by hand, since a library would not let it.
package toolstub

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Variable has the mode in which the server starts; it is one where the variable is there.
const Variable = "TEST_TOOL"

// Modes.
const (
	Good     = "good"
	Exits    = "exits"    // before initialize
	Mute     = "mute"     // never answers initialize
	Version  = "version"  // speaks a version that nobody knows
	Noisy    = "noisy"    // says hello on its output first
	Shutting = "shutting" // closes its output at once and stays
	Stays    = "stays"    // when its input has ended, and when it is asked to end
)

// Tools are the names of the server's tools, which all take any arguments.
var Tools = []string{
	"ask", "cancelled", "changed", "close", "crash", "echo", "environment", "error", "fail", "flood", "freeze", "garbage",
	"half", "hang", "huge", "level", "log", "malformed", "noresult", "numbers", "pid", "progress", "secret", "slow", "stderr", "stranger",
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Error  *struct {
		Code int `json:"code"`
	} `json:"error"`
}

type server struct {
	mu        sync.Mutex
	out       *bufio.Writer
	cancelled atomic.Int64
	level     atomic.Value // parameters of the last logging/setLevel
	frozen    chan struct{}
	refused   chan int // codes of errors that the server's own questions got
}

// Main is the server. It ends with its input.
func Main() {
	s := &server{out: bufio.NewWriter(os.Stdout), refused: make(chan int, 8)}
	mode := os.Getenv(Variable)
	switch mode {
	case Exits:
		fmt.Fprintln(os.Stderr, "cannot find my configuration")
		os.Exit(3)
	case Noisy:
		s.raw("Server listening on stdio\n\nnpm notice: a new version\n")
	case Shutting:
		os.Stdout.Close()
	case Stays:
		signal.Ignore(syscall.SIGTERM)
	}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			if mode == Stays {
				time.Sleep(time.Minute)
			}
			return
		}
		var m message
		if json.Unmarshal(line, &m) != nil {
			s.raw("cannot read " + string(line))
			continue
		}
		if mode == Mute && m.Method == "initialize" {
			continue
		}
		s.handle(mode, m)
	}
}

func (s *server) raw(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.WriteString(text)
	s.out.Flush()
}

func (s *server) send(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	s.raw(string(b) + "\n")
}

type object = map[string]any

func (s *server) answer(id json.RawMessage, result any) {
	s.send(object{"jsonrpc": "2.0", "id": id, "result": result})
}

func (s *server) text(id json.RawMessage, text string) {
	s.answer(id, object{"content": []any{object{"type": "text", "text": text}}})
}

func (s *server) notify(method string, params any) {
	s.send(object{"jsonrpc": "2.0", "method": method, "params": params})
}

func (s *server) handle(mode string, m message) {
	switch m.Method {
	case "initialize":
		version := "2025-06-18"
		if mode == Version {
			version = "1999-12-31"
		}
		s.answer(m.ID, object{
			"protocolVersion": version, "instructions": "use it well", "serverInfo": object{"name": "stub", "version": "7"},
			"capabilities": object{"tools": object{"listChanged": true}, "logging": object{}, "resources": object{}, "prompts": object{}},
		})
	case "logging/setLevel":
		s.level.Store(string(m.Params))
		s.answer(m.ID, object{})
	case "ping":
		s.answer(m.ID, object{})
	case "tools/list":
		var list []any
		for _, name := range Tools {
			list = append(list, object{"name": name, "inputSchema": object{"type": "object"}, "x-unknown": 12345678901234567})
		}
		s.answer(m.ID, object{"tools": list, "_meta": object{"x": 1}})
	case "tools/call":
		go s.call(m)
	case "notifications/cancelled":
		s.cancelled.Add(1)
	case "":
		if m.Error != nil {
			s.refused <- m.Error.Code
		}
	}
	if s.frozen != nil {
		<-s.frozen
	}
}

type arguments struct {
	Text  string
	N     int
	Level string
	Form  string
}

func (s *server) call(m message) {
	var p struct {
		Name      string
		Arguments json.RawMessage
		Meta      struct {
			Token json.RawMessage `json:"progressToken"`
		} `json:"_meta"`
	}
	var a arguments
	if json.Unmarshal(m.Params, &p) != nil || json.Unmarshal(p.Arguments, &a) != nil {
		s.text(m.ID, "bad params "+string(m.Params))
		return
	}
	if !s.bad(m, p.Name, a) {
		s.good(m, p.Name, p.Arguments, p.Meta.Token, a)
	}
}

// good does what a server may.
func (s *server) good(m message, name string, given, token json.RawMessage, a arguments) {
	switch name {
	case "echo":
		s.text(m.ID, string(given))
	case "pid":
		s.text(m.ID, fmt.Sprint(os.Getpid()))
	case "numbers":
		s.raw(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"content":[{"type":"hologram","x":1}],"structuredContent":{"n":12345678901234567890}}}` + "\n")
	case "environment":
		s.text(m.ID, strings.Join(os.Environ(), "\n"))
	case "level":
		s.text(m.ID, fmt.Sprint(s.level.Load()))
	case "cancelled":
		s.text(m.ID, fmt.Sprint(s.cancelled.Load()))
	case "slow":
		time.Sleep(time.Duration(a.N) * time.Millisecond)
		s.text(m.ID, "slept")
	case "progress":
		for i := range a.N {
			s.notify("notifications/progress", object{"progressToken": token, "progress": i + 1, "total": a.N, "message": a.Text})
		}
		s.text(m.ID, "done")
	case "changed":
		s.notify("notifications/tools/list_changed", object{})
		s.text(m.ID, "told")
	case "log":
		s.notify("notifications/message", object{"level": a.Level, "logger": "stub", "data": object{"said": a.Text, "secret": os.Getenv("TOKEN")}})
		s.text(m.ID, "logged")
	case "fail":
		s.answer(m.ID, object{"isError": true, "content": []any{object{"type": "text", "text": "no such issue"}}})
	case "error":
		s.send(object{"jsonrpc": "2.0", "id": m.ID, "error": object{"code": -32042, "message": "bad " + os.Getenv("TOKEN"), "data": object{"key": os.Getenv("TOKEN")}}})
	case "secret":
		s.text(m.ID, inForm(os.Getenv("TOKEN"), a.Form))
	case "stderr":
		fmt.Fprintln(os.Stderr, a.Text, os.Getenv("TOKEN"))
		s.text(m.ID, "said")
	case "ask":
		for i, method := range []string{"sampling/createMessage", "roots/list", "elicitation/create"} {
			s.send(object{"jsonrpc": "2.0", "id": 1000 + i, "method": method, "params": object{}})
		}
		s.text(m.ID, fmt.Sprint(<-s.refused, <-s.refused, <-s.refused))
	default:
		s.send(object{"jsonrpc": "2.0", "id": m.ID, "error": object{"code": -32602, "message": "unknown tool " + name}})
	}
}

func inForm(value, form string) string {
	switch form {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte("user:" + value))
	case "json":
		b, _ := json.Marshal(object{"token": value})
		return string(b)
	}
	return "the token is " + value + "."
}

// bad does what no server may, and tells whether that was what it was asked for.
func (s *server) bad(m message, name string, a arguments) bool {
	switch name {
	case "crash":
		os.Exit(7)
	case "hang":
	case "freeze": // reads nothing any more
		s.frozen = make(chan struct{})
		s.notify("notifications/frozen", nil)
	case "close":
		os.Stdout.Close()
	case "half":
		s.raw(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"content":[`)
		os.Exit(0)
	case "huge":
		s.text(m.ID, strings.Repeat("x", a.N))
	case "garbage":
		s.raw("warning: deprecated\n\x1b[2J\x00\xff\xfe" + strings.Repeat("%", 3000) + "\n{\"not\": json\n[1,2\n" + os.Getenv("TOKEN") + "\n")
		s.text(m.ID, "after garbage")
	case "malformed":
		s.raw(`{"jsonrpc":"1.0","id":` + string(m.ID) + `,"result":{}}` + "\n")
	case "noresult":
		s.raw(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":[1]}` + "\n")
	case "stranger":
		s.answer(json.RawMessage("424242"), object{})
		s.answer(json.RawMessage(`"x"`), object{})
		s.raw(`[{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"content":[{"type":"text","text":"in a batch"}]}},{"jsonrpc":"2.0","id":7777,"result":{}}]` + "\n")
	case "flood":
		for range a.N {
			s.notify("notifications/message", object{"level": "info", "data": strings.Repeat("flood ", 50)})
		}
		s.text(m.ID, "flooded")
	default:
		return false
	}
	return true
}
