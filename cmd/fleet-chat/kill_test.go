package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// poster says rising numbers, each until it is acknowledged, whatever happens to the chat.
type poster struct {
	agent     string
	transport string
	next      int // the number that is said next
	tried     int // numbers that may have been said
}

// A kill at any time loses no message that was acknowledged, and doubles none that is said again with the same key.
func TestKilled(t *testing.T) {
	t.Parallel()
	const rounds = 15
	h := newHost(t, "a", "b", "c", "d", "lead")
	posters := []*poster{{agent: "a"}, {agent: "b"}, {agent: "c"}, {agent: "d"}}
	for i, p := range posters {
		p.transport = []string{"http", "stdio"}[i%2]
	}
	for range rounds {
		h.start()
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, p := range posters {
			say := h.sayer(ctx, p)
			all.Go(func() { p.post(say) })
		}
		time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
		h.Kill()
		stop() // the socket takes connections that nobody answers
		all.Wait()
	}
	h.start()
	cs := h.connect("stdio", "lead")
	said := map[string]int{}
	for acknowledge := map[string]int64(nil); ; {
		got := must[read](t, cs, "read", object{"acknowledge": acknowledge, "limit": 200})
		for _, m := range got.Messages {
			if m.Text != fmt.Sprint(said[m.From.ID]) {
				t.Fatalf("%s says %q where number %d should be", m.From.ID, m.Text, said[m.From.ID])
			}
			said[m.From.ID]++
		}
		if acknowledge = got.Acknowledge; !got.More {
			break
		}
	}
	total := 0
	for _, p := range posters {
		total += p.next
		if n := said[p.agent]; n != p.next && n != p.tried {
			t.Errorf("of %s %d are stored, %d were acknowledged, %d were said", p.agent, n, p.next, p.tried)
		}
	}
	if total < rounds {
		t.Errorf("only %d were said: the test proves nothing", total)
	}
}

// post says numbers until the chat is gone.
func (p *poster) post(say func(arguments object) error) {
	for {
		p.tried = max(p.tried, p.next+1)
		if say(object{"channel": "general", "text": fmt.Sprint(p.next), "key": fmt.Sprint("n", p.next)}) != nil {
			return
		}
		p.next++
	}
}

// sayer begins a session. Over HTTP it speaks by hand: the official client waits for ever for an answer that is cut off.
func (h *host) sayer(ctx context.Context, p *poster) func(arguments object) error {
	h.T.Helper()
	if p.transport == "stdio" {
		cs := h.connect("stdio", p.agent)
		return func(arguments object) error {
			_, err := call(cs, "post", arguments)
			return err
		}
	}
	_, header, err := h.ask(ctx, p.agent, initialize, nil)
	check(h.T, err)
	session := http.Header{"Mcp-Session-Id": header["Mcp-Session-Id"]}
	return func(arguments object) error {
		b, err := json.Marshal(object{
			"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": object{"name": "post", "arguments": arguments},
		})
		if err != nil {
			return err
		}
		answer, _, err := h.ask(ctx, p.agent, string(b), session)
		if err == nil && !strings.Contains(answer, `"structuredContent":{"message"`) {
			err = errors.New(answer)
		}
		return err
	}
}
