package discordstub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

const (
	token  = "a.bots.token"
	agent  = "DiscordBot (https://example.com/bot, 1.2)"
	grants = ViewChannel | SendMessages | ReadMessageHistory | SendInThreads | CreatePublicThread | AddReactions
)

// lab is a server with a bot, in a bubble of testing/synctest.
type lab struct {
	*Server
	bot    *User
	text   string
	forum  string
	client *http.Client
}

func inBubble(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)))
		s := NewInMemory(Usual)
		l := &lab{Server: s, bot: s.AddBot("bot", token, grants), client: &http.Client{Transport: s.Transport()}}
		l.text, l.forum = s.AddChannel("text", Text), s.AddChannel("forum", Forum)
		defer s.Close()
		defer l.client.CloseIdleConnections()
		test(t, l)
	})
}

// request is a good one but for what a test changes.
func (l *lab) request(method, path, body string) *http.Request {
	path = strings.NewReplacer("TEXT", l.text, "FORUM", l.forum, "GUILD", l.Guild).Replace(path)
	r, err := http.NewRequest(method, l.URL()+"/api/v10"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bot "+token)
	r.Header.Set("User-Agent", agent)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (l *lab) send(r *http.Request) (status int, body map[string]any, h http.Header) {
	resp, err := l.client.Do(r)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	json.Unmarshal(text, &body)
	return resp.StatusCode, body, resp.Header
}

const (
	good = `{"content":"hello","allowed_mentions":{"parse":[]},"nonce":"n1","enforce_nonce":true}`
	task = `{"name":"x","auto_archive_duration":60,"message":{"content":"x","allowed_mentions":{"parse":[]}}}`
	bare = `{"content":"x","nonce":"n","enforce_nonce":true}`

	messages = "/channels/TEXT/messages"
)

// TestRules proves that each request against Discord's rules is found and refused, and that good ones are neither.
func TestRules(t *testing.T) {
	long := strings.Repeat("x", 2001)
	for _, c := range []struct {
		name   string
		method string
		path   string
		body   string
		change func(r *http.Request)
		status int
		breach string // the breach has this; "" is none
	}{
		{"a message", "POST", messages, good, nil, 200, ""},
		{"the older version", "POST", messages, good, func(r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "v10", "v9", 1)
		}, 200, ""},
		{"an unknown version", "POST", messages, good, func(r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "v10", "v7", 1)
		}, 404, "not of version 9 or 10"},
		{"a browser", "POST", messages, good, func(r *http.Request) {
			r.Header.Set("User-Agent", "Go-http-client/1.1")
		}, 200, "User-Agent"},
		{"no token", "POST", messages, good, func(r *http.Request) {
			r.Header.Del("Authorization")
		}, 401, "no bot's token"},
		{"a bare token", "POST", messages, good, func(r *http.Request) {
			r.Header.Set("Authorization", token)
		}, 401, "no bot's token"},
		{"another token", "POST", messages, good, func(r *http.Request) {
			r.Header.Set("Authorization", "Bot another")
		}, 401, ""},
		{"a token in the address", "GET", "/channels/TEXT?token=" + token, "", nil, 200, "the token is in the address"},
		{"no type of content", "POST", messages, good, func(r *http.Request) {
			r.Header.Del("Content-Type")
		}, 200, "Content-Type"},
		{"a type of no content", "GET", "/channels/TEXT", "", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
		}, 200, "Content-Type"},
		{"an unknown key", "POST", messages, `{"contents":"x"}`, nil, 400, "unknown field"},
		{"a long message", "POST", messages, strings.Replace(good, "hello", long, 1), nil, 400, "2001 characters"},
		{"an empty message", "POST", messages, strings.Replace(good, "hello", " \\n", 1), nil, 400, "empty"},
		{"a mention of all", "POST", messages, strings.Replace(good, "[]", `["everyone"]`, 1), nil, 200, "allowed_mentions"},
		{"mentions as they come", "POST", messages, bare, nil, 200, "allowed_mentions"},
		{"a long nonce", "POST", messages, strings.Replace(good, "n1", long[:26], 1), nil, 400, "nonce of 26"},
		{"no nonce", "POST", messages, strings.Replace(good, "n1", "", 1), nil, 200, "no nonce"},
		{"a nonce without effect", "POST", messages, strings.Replace(good, "true", "false", 1), nil, 200, "no nonce"},
		{"a message in a forum", "POST", "/channels/FORUM/messages", good, nil, 400, ""},
		{"no such channel", "GET", "/channels/12345678", "", nil, 404, ""},
		{"no such page", "GET", "/channels/TEXT/webhooks", "", nil, 404, "does not know it"},
		{"a long page", "GET", "/channels/TEXT/messages?limit=101", "", nil, 400, "limit"},
		{"a page", "GET", "/channels/TEXT/messages?limit=100", "", nil, 200, ""},
		{"a task", "POST", "/channels/FORUM/threads", task, nil, 200, ""},
		{"a long name", "POST", "/channels/FORUM/threads", strings.Replace(task, "x", long[:101], 1), nil, 400, "of 101"},
		{"an archive at any time", "POST", "/channels/FORUM/threads", strings.Replace(task, "60", "61", 1), nil, 400, ""},
		{"another's server", "GET", "/guilds/12345678", "", nil, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				r := l.request(c.method, c.path, c.body)
				if c.change != nil {
					c.change(r)
				}
				if status, body, _ := l.send(r); status != c.status {
					t.Errorf("status %d, not %d: %v", status, c.status, body)
				}
				breaches := strings.Join(l.Breaches(), "\n")
				if c.breach == "" && breaches != "" || !strings.Contains(breaches, c.breach) {
					t.Errorf("breaches %q, not %q", breaches, c.breach)
				}
				if strings.Contains(breaches, token) && c.name != "a token in the address" {
					t.Errorf("a breach has the token: %s", breaches)
				}
			})
		})
	}
}

// TestPermissions proves that a bot can do what its role allows, and nothing else.
func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		denied       int64
		method, path string
		body         string
	}{
		{ViewChannel, "GET", "/channels/TEXT", ""},
		{SendMessages, "POST", messages, good},
		{SendMessages, "POST", "/channels/FORUM/threads", task},
		{CreatePublicThread, "POST", "/channels/TEXT/messages/MESSAGE/threads", `{"name":"x","auto_archive_duration":60}`},
		{AddReactions, "PUT", "/channels/TEXT/messages/MESSAGE/reactions/%E2%9C%85/@me", ""},
		{ManageMessages, "DELETE", "/channels/TEXT/messages/MESSAGE", ""},
		{ManageMessages, "DELETE", "/channels/TEXT/messages/MESSAGE/reactions/%E2%9C%85/PERSON", ""},
	} {
		inBubble(t, func(t *testing.T, l *lab) {
			l.bot.grants |= ManageMessages
			p := l.AddPerson("p")
			path := strings.NewReplacer("MESSAGE", p.Say(l.text, "x"), "PERSON", p.ID).Replace(c.path)
			l.Deny(l.text, l.bot.ID, c.denied)
			l.Deny(l.forum, l.bot.ID, c.denied)
			if status, _, _ := l.send(l.request(c.method, path, c.body)); status != 403 {
				t.Errorf("%s %s: status %d without %d", c.method, c.path, status, c.denied)
			}
			clear(l.channels[l.text].denied)
			clear(l.channels[l.forum].denied)
			if status, body, _ := l.send(l.request(c.method, path, c.body)); status/100 != 2 {
				t.Errorf("%s %s: status %d: %v", c.method, c.path, status, body)
			}
		})
	}
}

// TestNonce proves that a message with the same nonce is the same one, for some minutes.
func TestNonce(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		_, one, _ := l.send(l.request("POST", messages, good))
		_, two, _ := l.send(l.request("POST", messages, good))
		time.Sleep(time.Hour)
		_, three, _ := l.send(l.request("POST", messages, good))
		if one["id"] != two["id"] || two["id"] == three["id"] {
			t.Errorf("messages %v, %v, %v", one["id"], two["id"], three["id"])
		}
	})
}

// TestLimits proves that who keeps to the headers meets no 429, and that who does not is found.
func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		for i := range Usual.Requests {
			_, _, h := l.send(l.request("GET", "/channels/TEXT", ""))
			if want := fmt.Sprint(Usual.Requests - 1 - i); h.Get("X-RateLimit-Remaining") != want {
				t.Errorf("%s are left, not %s", h.Get("X-RateLimit-Remaining"), want)
			}
		}
		status, body, h := l.send(l.request("GET", "/channels/TEXT", ""))
		if status != 429 || body["retry_after"] != 5.0 || h.Get("Retry-After") != "5" || len(l.Breaches()) != 1 {
			t.Errorf("status %d, %v, breaches %q", status, body, l.Breaches())
		}
		time.Sleep(4 * time.Second)
		l.Grace = time.Second
		l.send(l.request("GET", "/channels/TEXT", ""))
		if all := l.Breaches(); len(all) != 2 || !strings.Contains(all[1], "before the end of Retry-After") {
			t.Errorf("breaches %q", all)
		}
		time.Sleep(5 * time.Second)
		if status, _, _ := l.send(l.request("GET", "/channels/TEXT", "")); status != 200 {
			t.Errorf("status %d", status)
		}
	})
}

// TestPerSecond proves that many requests in one second are refused, and twice as many a breach.
func TestPerSecond(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.Requests = 1000
		refused := 0
		for i := range 2*Usual.PerSecond + 1 {
			if i == 2*Usual.PerSecond && len(l.Breaches()) > 0 {
				t.Errorf("breaches %q", l.Breaches())
			}
			if status, body, _ := l.send(l.request("GET", "/channels/TEXT", "")); status == 429 && body["global"] == true {
				refused++
			}
		}
		if refused != Usual.PerSecond+1 || len(l.Breaches()) != 1 {
			t.Errorf("%d refused, breaches %q", refused, l.Breaches())
		}
	})
}

// TestFaults proves that each fault does what it is called, once.
func TestFaults(t *testing.T) {
	for _, sort := range Sorts {
		inBubble(t, func(t *testing.T, l *lab) {
			l.Inject(Fault{Sort: sort, Route: "POST", After: 1500 * time.Millisecond, Skip: 1})
			l.send(l.request("POST", messages, good))
			status, _, _ := l.send(l.request("POST", messages, strings.Replace(good, "n1", "n2", 1)))
			want := map[Sort]int{
				Limited: 429, Globally: 429, Blocked: 429, Denied: 403, Broken: 502, Internal: 500, Silent: 503,
				Truncated: 200,
			}[sort]
			if sort == Elsewhere {
				want = status // the client has followed
			}
			if status != want {
				t.Errorf("%s: status %d", sort, status)
			}
			done := slices.Contains([]Sort{Silent, CutAfter, Truncated}, sort)
			if n := len(l.Messages(l.text)); (n == 2) != done {
				t.Errorf("%s: %d messages", sort, n)
			}
			if l.Pending() > 0 {
				t.Errorf("%s: it is still to come", sort)
			}
		})
	}
}

// dial connects to the gateway.
func (l *lab) dial(t *testing.T, query string) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{NetDialContext: l.client.Transport.(*http.Transport).DialContext}
	c, _, err := d.DialContext(context.Background(), "ws"+strings.TrimPrefix(l.URL(), "http")+"/gateway/"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const (
	query    = "?v=10&encoding=json"
	identify = `{"op":2,"d":{"token":"` + token + `","intents":1,"properties":{"os":"linux"}}}`
)

// TestGatewayRules proves that what is against the rules of the gateway is found.
func TestGatewayRules(t *testing.T) {
	many := slices.Repeat([]string{`{"op":1,"d":1}`}, 120)
	for _, c := range []struct {
		name   string
		query  string
		send   []string
		wait   time.Duration
		breach string
		code   int // with which the connection is closed, 0 if it is not
	}{
		{"good", query, []string{identify, `{"op":1,"d":1}`}, 0, "", 0},
		{"no version", "?encoding=json", []string{identify}, 0, "gateway: encoding=json", 0},
		{"another op", query, []string{`{"op":77}`}, 0, "op 77", 4001},
		{"no JSON", query, []string{"hello"}, 0, "packets", 4008},
		{"twice", query, []string{identify, identify}, 0, "identified twice", 4005},
		{"no properties", query, []string{strings.Replace(identify, "linux", "", 1)}, 0, "properties", 4013},
		{"odd intents", query, []string{strings.Replace(identify, `s":1`, `s":134217728`, 1)}, 0, "intents", 4013},
		{"another token", query, []string{strings.Replace(identify, token, "x", 1)}, 0, "", 4004},
		{"a secret intent", query, []string{strings.Replace(identify, `"intents":1`, `"intents":32768`, 1)}, 0, "", 4014},
		{"no heartbeat", query, []string{identify}, 2 * time.Minute, "no heartbeat", 4000},
		{"many packets", query, append([]string{identify}, many...), 0, "121 packets", 4008},
		{"a heartbeat of the future", query, []string{identify, `{"op":1,"d":100}`}, 0, "sequence 100", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *lab) {
				l.bot.Content = c.name != "a secret intent"
				ws := l.dial(t, c.query)
				end := make(chan int, 1)
				go func() {
					for {
						if _, _, err := ws.ReadMessage(); err != nil {
							var closed *websocket.CloseError
							if errors.As(err, &closed) {
								end <- closed.Code
							} else {
								end <- 0
							}
							return
						}
					}
				}()
				for _, text := range c.send {
					ws.WriteMessage(websocket.TextMessage, []byte(text))
				}
				time.Sleep(c.wait + time.Second)
				breaches := strings.Join(l.Breaches(), "\n")
				if c.breach == "" && breaches != "" || !strings.Contains(breaches, c.breach) {
					t.Errorf("breaches %q, not %q", breaches, c.breach)
				}
				ws.Close()
				if code := <-end; code != c.code {
					t.Errorf("closed with %d, not %d", code, c.code)
				}
			})
		})
	}
}

// TestLogins proves that logins without a pause are a breach and refused, and that a session goes on as its own bot's
// alone.
func TestLogins(t *testing.T) {
	inBubble(t, func(t *testing.T, l *lab) {
		l.AddBot("other", "another.token", grants)
		read := func(ws *websocket.Conn) (kind string, data map[string]any) {
			for {
				var e struct {
					Op   int
					T    string
					Data any `json:"d"`
				}
				if err := ws.ReadJSON(&e); err != nil {
					return err.Error(), nil
				}
				if e.Op == 0 {
					data, _ = e.Data.(map[string]any)
					return e.T, data
				}
				if e.Op != 10 {
					return fmt.Sprint("op ", e.Op), nil
				}
			}
		}
		first := l.dial(t, query)
		first.WriteMessage(websocket.TextMessage, []byte(identify))
		kind, data := read(first)
		if kind != "READY" {
			t.Fatalf("%s", kind)
		}
		second := l.dial(t, query)
		second.WriteMessage(websocket.TextMessage, []byte(identify))
		if kind, _ := read(second); kind != "op 9" || len(l.Breaches()) != 1 {
			t.Errorf("a second login: %s, breaches %q", kind, l.Breaches())
		}
		resume := `{"op":6,"d":{"token":"TOKEN","session_id":"` + data["session_id"].(string) + `","seq":1}}`
		third := l.dial(t, query)
		third.WriteMessage(websocket.TextMessage, []byte(strings.Replace(resume, "TOKEN", "another.token", 1)))
		if kind, _ := read(third); kind != "op 9" || len(l.Breaches()) != 2 {
			t.Errorf("another bot: %s, breaches %q", kind, l.Breaches())
		}
		fourth := l.dial(t, query)
		fourth.WriteMessage(websocket.TextMessage, []byte(strings.Replace(resume, "TOKEN", token, 1)))
		if kind, _ := read(fourth); kind != "GUILD_CREATE" || len(l.Breaches()) != 2 {
			t.Errorf("going on: %s, breaches %q", kind, l.Breaches())
		}
	})
}
