package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const ping = `{"jsonrpc":"2.0","id":9,"method":"ping"}`

// A web page in a browser of the agent's gets nothing, whatever name it has the browser look up.
func TestRebinding(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	session := h.begin("lead")
	_, port, _ := net.SplitHostPort(h.ports["lead"])
	for _, c := range []struct {
		header map[string]string
		want   int
	}{
		{nil, 200},
		{map[string]string{"Host": "localhost:" + port}, 200},
		{map[string]string{"Host": "localhost."}, 403},
		{map[string]string{"Host": "[::1]:" + port}, 200},
		{map[string]string{"Host": "evil.example"}, 403},
		{map[string]string{"Host": "evil.example:" + port}, 403},
		{map[string]string{"Host": "127.0.0.1.evil.example"}, 403},
		{map[string]string{"Host": "localhost.evil.example:" + port}, 403},
		{map[string]string{"Host": "10.0.0.1"}, 403},
		{map[string]string{"Origin": "http://" + h.ports["lead"]}, 200},
		{map[string]string{"Origin": "http://evil.example"}, 403},
		{map[string]string{"Origin": "http://localhost:8080"}, 403},
		{map[string]string{"Origin": "https://" + h.ports["lead"]}, 403},
		{map[string]string{"Origin": "null"}, 403},
		{map[string]string{"Origin": ""}, 403},
		{map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{map[string]string{"Content-Type": "text/plain"}, 415},
	} {
		header := session.Clone()
		for name, value := range c.header {
			header[name] = []string{value}
		}
		status, body, got := h.post("lead", ping, header)
		if status != c.want {
			t.Errorf("%v: status %d, %s", c.header, status, body)
		}
		if status == http.StatusForbidden && !strings.Contains(body, "must be localhost or a loopback address") &&
			!strings.Contains(body, "requests of web pages from elsewhere are not taken") {
			t.Errorf("%v: %s", c.header, body)
		}
		for name := range got {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%v: %s", c.header, name)
			}
		}
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead", "worker")
	h.start()
	session := h.begin("lead")
	id := session.Get("Mcp-Session-Id")
	if len(id) < 26 {
		t.Errorf("session %q can be guessed", id)
	}
	for name, c := range map[string]struct {
		agent, body string
		header      http.Header
		want        int
	}{
		"own":            {"lead", ping, session, 200},
		"another's":      {"worker", ping, session, 404},
		"unknown":        {"lead", ping, http.Header{"Mcp-Session-Id": {"guess"}}, 404},
		"batch":          {"lead", " \n[" + ping + "]", session, 400},
		"empty":          {"lead", "", session, 400},
		"no JSON":        {"lead", "{", session, 400},
		"too long":       {"lead", `{"x":"` + strings.Repeat("x", 70<<10) + `"}`, session, 413},
		"later protocol": {"lead", ping, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Session-Id": {id}}, 400},
		"unknown method": {"lead", `{"jsonrpc":"2.0","id":3,"method":"x/y"}`, session, 400},
		"null":           {"lead", "null", session, 400},
	} {
		if status, body, _ := h.post(c.agent, c.body, c.header); status != c.want {
			t.Errorf("%s: status %d, %s", name, status, body)
		}
	}
	for path, want := range map[string]int{"/": 404, "/mcp/": 404, "/mcp": 400, "//mcp": 404} {
		r, err := http.NewRequest(http.MethodGet, "http://"+h.ports["lead"]+path, nil)
		check(t, err)
		r.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultTransport.RoundTrip(r)
		check(t, err)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
}

// An agent that begins sessions without end keeps some, and no other loses one.
func TestManySessions(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead", "worker")
	h.start()
	first, other := h.begin("lead"), h.begin("worker")
	var last http.Header
	for range 100 {
		last = h.begin("lead")
	}
	for name, c := range map[string]struct {
		agent  string
		header http.Header
		want   int
	}{
		"first": {"lead", first, 404}, "last": {"lead", last, 200}, "of another": {"worker", other, 200},
	} {
		eventually(t, name, func() bool {
			status, _, _ := h.post(c.agent, ping, c.header)
			return status == c.want
		})
	}
}

// Bodies that do not come hold no more than their connection.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	session := h.begin("lead")
	var open []net.Conn
	eventually(t, "as much as is sent is held", func() bool {
		for range 10 { // more and more: on a busy machine the first give up before the last have come
			c, err := net.Dial("tcp", h.ports["lead"])
			check(t, err)
			fmt.Fprintf(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\nContent-Type: application/json\r\n\r\n{")
			open = append(open, c)
		}
		status, _, _ := h.post("lead", ping, session)
		return status == http.StatusServiceUnavailable
	})
	for _, c := range open {
		c.Close()
	}
	eventually(t, "what is gone is held", func() bool {
		status, _, _ := h.post("lead", ping, session)
		return status == http.StatusOK
	})
}

// What an agent writes by hand on its socket has an answer, and takes nothing from what follows.
func TestStdioByHand(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	c, err := net.Dial("unix", h.socket("lead"))
	check(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	ask := func(text, want string) {
		t.Helper()
		fmt.Fprintf(c, "%s\n", text)
		if got, err := r.ReadString('\n'); err != nil || !strings.Contains(got, want) {
			t.Errorf("%.80s: got %.300s, %v, want %s", text, got, err, want)
		}
	}
	long := strings.Repeat("x", 70<<10)
	ask(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `"id":1,"error":{`)
	ask(`hello`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,`)
	ask(`{"jsonrpc":"1.0","id":"a","method":"ping"}`, `{"jsonrpc":"2.0","id":"a","error":{"code":-32700,`)
	ask(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batches`)
	ask(long, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,`)
	ask(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"x":"`+long+`"}}`, `{"jsonrpc":"2.0","id":7,"error":{"code":-32600,`)
	ask(`{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"1999-01-01","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`,
		`"protocolVersion":"2025-11-25"`)
	ask(`{"jsonrpc":"2.0","id":3,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`,
		`duplicate`)
	for range 1000 { // none of these has an answer
		fmt.Fprint(c, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`+"\n"+
			`{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"+`{"jsonrpc":"2.0","id":5,"result":{}}`+"\n\n"+
			`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`+"\n")
	}
	ask(`{"jsonrpc":"2.0","id":"x","method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		`"id":"x","error":{"code":-32022,`)
	ask(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"echo","NAME":"crash","Name":"crash","arguments":{"a":1}}}`, `{\"a\":1}`)
	ask(`{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":5}}`, `-32602`)
	ask(`{"jsonrpc":"2.0","id":11,"method":"tools/call"}`, `-32600`)
	fmt.Fprint(c, `{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"slow","arguments":{"n":300}}}`+"\n")
	ask(`{"jsonrpc":"2.0","id":12,"method":"ping"}`, `a request with this id is open`)
	// The end of the agent's side: what is open is answered, and then it is over.
	check(t, c.(*net.UnixConn).CloseWrite())
	if got, err := r.ReadString('\n'); !strings.Contains(got, "slept") {
		t.Errorf("got %q, %v", got, err)
	}
	if rest, err := r.ReadString('\n'); rest != "" || err == nil {
		t.Errorf("got %q", rest)
	}
}

// A session that asks without reading is held back, and harms nobody.
func TestFloodOfQuestions(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead", "worker")
	h.start()
	other := h.connect("stdio", "worker", nil)
	c, err := net.Dial("unix", h.socket("lead"))
	check(t, err)
	defer c.Close()
	check(t, c.SetWriteDeadline(time.Now().Add(3*time.Second)))
	fmt.Fprintln(c, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
	line := `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"x":"` + strings.Repeat("y", 10<<10) + `"}}}` + "\n"
	for i := 1; ; i++ {
		if _, err := fmt.Fprintf(c, line, i); err != nil {
			break // it is not read any more
		}
		if i == 1000 {
			t.Fatal("ten megabytes are taken")
		}
	}
	mustCall(t, other, "echo", nil)
}
