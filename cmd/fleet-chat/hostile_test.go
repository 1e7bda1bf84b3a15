package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},` +
	`"clientInfo":{"name":"x","version":"1"}}}`

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// What an agent writes by hand has an answer, and takes nothing from what follows.
func TestByHand(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	c, err := net.Dial("unix", h.socket("lead"))
	check(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(c)
	ask := func(text, want string) {
		t.Helper()
		fmt.Fprintf(c, "%s\n", text)
		if got, err := r.ReadString('\n'); err != nil || !strings.Contains(got, want) {
			t.Errorf("%.80s: got %.300s, %v, want %s", text, got, err, want)
		}
	}
	ask("hello", `-32700`)
	ask(initialize, `"instructions":"The chat of your team`)
	ask(`{"jsonrpc":"2.0","id":1,"method":"`+strings.Repeat("x", 1<<20)+`"}`, `"id":1,"error":{"code":-32600`)
	ask(`{"jsonrpc":"2.0","id":2,"method":"resources/list"}`, `-32601`)
	ask(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":5}}`, `-32602`)
	ask(`{"jsonrpc":"2.0","id":4,"method":"tools/call"}`, `"error"`)
	ask(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"post","arguments":[1]}}`, `"isError":true`)
	ask(`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"post","arguments":{"channel":"general","CHANNEL":"secret","text":"x"}}}`, `"isError":true`)
	ask(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"post","arguments":{"channel":"general","text":"a\u0000\u001b[2J\u202eb\ud800"}}}`, `"text":"a[2Jb`)
	ask(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"channels","arguments":`+strings.Repeat(`{"x":`, 5000)+`1`+strings.Repeat(`}`, 5000)+`}}`, `"id":8`)
	ask(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"channels"}}`, `"key":"alerts"`)
}

// An agent that floods is held back, and harms nobody.
func TestFlood(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead", "worker")
	h.config.Limits.PostsPerMinute = 20
	h.start()
	other := h.connect("stdio", "worker")
	var open []net.Conn
	for range 40 {
		c, err := net.Dial("unix", h.socket("lead"))
		check(t, err)
		open = append(open, c)
		check(t, c.SetWriteDeadline(time.Now().Add(3*time.Second)))
		fmt.Fprintln(c, initialize)
		for i := range 200 { // and reads nothing
			if _, err := fmt.Fprintf(c, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"read","arguments":{"channel":"general"}}}`+"\n", i+1); err != nil {
				break
			}
		}
	}
	must[one](t, other, "post", object{"channel": "general", "text": "still here"})
	for _, c := range open {
		c.Close()
	}
	lead := h.connect("http", "lead")
	refused := 0
	for i := range 40 {
		if _, err := call(lead, "post", object{"channel": "general", "text": fmt.Sprint(i)}); err != nil {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("only %d of 40 are refused", refused)
	}
	eventually(t, "the flood ends", func() bool {
		_, err := call(other, "read", object{})
		return err == nil
	})
}

// Calls that wait do not hold up what comes beside them.
func TestTooManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	cs := h.connect("stdio", "lead")
	results := make(chan error, 500)
	for range cap(results) {
		go func() {
			_, err := call(cs, "channels", object{})
			results <- err
		}()
	}
	good := 0
	for range cap(results) {
		err := <-results
		switch {
		case err == nil:
			good++
		case !strings.Contains(err.Error(), "calls are open") && !strings.Contains(err.Error(), "too much is open"):
			t.Error(err)
		}
	}
	if good == 0 {
		t.Error("none was answered")
	}
	must[struct{}](t, cs, "channels", object{})
}

// A file that is destroyed while the chat runs ends it, with the remedy in the log, and nothing more is taken for stored.
func TestDestroyedFile(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	cs := h.connect("stdio", "lead")
	for i := range 500 {
		must[one](t, cs, "post", object{"channel": "general", "text": fmt.Sprint(i, strings.Repeat("x", 4000))})
	}
	check(t, os.Truncate(h.Dir+"/state/chat.db", 4096))
	for err := error(nil); err == nil; {
		_, err = call(cs, "read", object{"channel": "general"})
		if err != nil && strings.Contains(err.Error(), "state") {
			t.Errorf("an agent is told of files: %v", err)
		}
	}
	if status := h.Exit(); status != 1 || !strings.Contains(h.Stderr.String(), "put a copy of the file there") {
		t.Errorf("status %d", status)
	}
	if strings.Contains(h.Stderr.String(), "goroutine") {
		t.Error("a panic reached the log")
	}
}
