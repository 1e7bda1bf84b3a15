package slackstub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

const bot, app = "xoxb-1", "xapp-1"

// inBubble runs a test on a workspace with one app, a person and two channels.
func inBubble(t *testing.T, test func(t *testing.T, s *Server, h *Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))) // bubbles begin when a ts had a digit less
		s := New()
		defer s.Close()
		s.Add(&App{ID: "A1", Name: "fleet", User: "UFLEET", Bot: "BFLEET", BotToken: bot, AppToken: app},
			&User{ID: "U1", Name: "grace"}, &Channel{ID: "C1", Name: "general", Members: []string{"UFLEET", "U1"}},
			&Channel{ID: "C2", Name: "closed", Members: []string{"U1"}},
			&Channel{ID: "D1", Members: []string{"UFLEET", "U1"}}, &Channel{ID: "D2", Members: []string{"UFLEET", "U1"}})
		h := s.Host()
		test(t, s, h)
	})
}

// ask calls a method and returns the status and the answer.
func ask(t *testing.T, h *Host, token, method string, args url.Values) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, API+method, strings.NewReader(args.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+token)
	return do(t, h, r)
}

func do(t *testing.T, h *Host, r *http.Request) (int, map[string]any) {
	t.Helper()
	transport := h.Transport()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := map[string]any{"retry-after": res.Header.Get("Retry-After")}
	_ = json.NewDecoder(res.Body).Decode(&a) // not all are JSON
	return res.StatusCode, a
}

// message is a call that keeps all rules, changed.
func message(change ...string) url.Values {
	v := url.Values{
		"channel": {"C1"}, "text": {"hello"}, "parse": {"none"}, "link_names": {"false"}, "unfurl_links": {"false"},
		"unfurl_media": {"false"}, "metadata": {`{"event_type":"x","event_payload":{}}`},
	}
	for i := 0; i < len(change); i += 2 {
		v.Set(change[i], change[i+1])
		if change[i+1] == "" {
			v.Del(change[i])
		}
	}
	return v
}

// Each rule that is broken is told: to the caller, or among the faults.
func TestRules(t *testing.T) {
	blocks := func(n int, text string) string {
		b, _ := json.Marshal(map[string]any{"type": "section", "text": map[string]string{"type": "mrkdwn", "text": text}})
		return "[" + strings.TrimSuffix(strings.Repeat(string(b)+",", n), ",") + "]"
	}
	for name, tt := range map[string]struct {
		token, method string
		args          url.Values
		said, fault   string
	}{
		"all well":         {bot, "chat.postMessage", message(), "", ""},
		"blocks":           {bot, "chat.postMessage", message("blocks", blocks(50, strings.Repeat("x", 3000))), "", ""},
		"a long block":     {bot, "chat.postMessage", message("blocks", blocks(1, strings.Repeat("x", 3001))), "invalid_blocks", ""},
		"many blocks":      {bot, "chat.postMessage", message("blocks", blocks(51, "x")), "invalid_blocks", ""},
		"no blocks":        {bot, "chat.postMessage", message("blocks", "{"), "invalid_blocks", ""},
		"unknown method":   {bot, "chat.shout", message(), "unknown_method", ""},
		"unknown argument": {bot, "chat.postMessage", message("loud", "yes"), "", "has no argument loud"},
		"other token":      {"xoxb-2", "chat.postMessage", message(), "invalid_auth", ""},
		"user's token":     {"xoxp-1", "chat.postMessage", message(), "not_allowed_token_type", "begins with xoxp-"},
		"app's token":      {app, "auth.test", nil, "not_allowed_token_type", "begins with xapp-"},
		"bot's token":      {bot, "apps.connections.open", nil, "not_allowed_token_type", "begins with xoxb-"},
		"no text":          {bot, "chat.postMessage", message("text", " "), "no_text", ""},
		"4,000 characters": {bot, "chat.postMessage", message("text", strings.Repeat("é", 4000)), "", ""},
		"4,001 characters": {bot, "chat.postMessage", message("text", strings.Repeat("é", 4001)), "", "4001 characters"},
		"40,001":           {bot, "chat.postMessage", message("text", strings.Repeat("é", 40_001)), "", "is cut"},
		"live":             {bot, "chat.postMessage", message("text", "<!here>"), "", "not escaped"},
		"an ampersand":     {bot, "chat.postMessage", message("text", "a & b"), "", "not escaped"},
		"escaped":          {bot, "chat.postMessage", message("text", "&lt;!here&gt; &amp; <https://e.org|x>"), "", ""},
		"names":            {bot, "chat.postMessage", message("link_names", "true"), "", "would be live"},
		"parsed":           {bot, "chat.postMessage", message("parse", "full"), "", "would be live"},
		"fetched":          {bot, "chat.postMessage", message("unfurl_links", ""), "", "would fetch"},
		"metadata":         {bot, "chat.postMessage", message("metadata", `{"event_type":"a b"}`), "", "no event_type"},
		"not in it":        {bot, "chat.postMessage", message("channel", "C2"), "not_in_channel", ""},
		"not there":        {bot, "chat.postMessage", message("channel", "C3"), "channel_not_found", ""},
		"no such thread":   {bot, "chat.postMessage", message("thread_ts", "1893553455.000000"), "thread_not_found", ""},
		"no thread":        {bot, "chat.postMessage", message("thread_ts", "now"), "invalid_thread_ts", "thread_ts"},
		"not its own":      {bot, "chat.update", url.Values{"channel": {"C1"}, "ts": {"FIRST"}}, "cant_update_message", "another's"},
		"not its own to delete": {
			bot, "chat.delete", url.Values{"channel": {"C1"}, "ts": {"FIRST"}}, "cant_delete_message", "another's",
		},
		"nothing to delete": {bot, "chat.delete", url.Values{"channel": {"C1"}, "ts": {"1.000000"}}, "message_not_found", ""},
		"no emoji": {
			bot, "reactions.add", url.Values{"channel": {"C1"}, "timestamp": {"FIRST"}, "name": {"done"}}, "invalid_name", "no emoji",
		},
		"no reaction": {
			bot, "reactions.remove", url.Values{"channel": {"C1"}, "timestamp": {"FIRST"}, "name": {"memo"}}, "no_reaction", "",
		},
		"no limit":     {bot, "conversations.history", url.Values{"channel": {"C1"}}, "", `limit ""`},
		"a high limit": {bot, "conversations.history", url.Values{"channel": {"C1"}, "limit": {"1000"}}, "", `limit "1000"`},
		"no time": {
			bot, "conversations.history", url.Values{"channel": {"C1"}, "limit": {"9"}, "oldest": {"now"}}, "", `oldest "now"`,
		},
		"no cursor": {
			bot, "conversations.history", url.Values{"channel": {"C1"}, "limit": {"9"}, "cursor": {"next:x"}}, "invalid_cursor", "",
		},
		"no user": {bot, "users.info", url.Values{"user": {"U9"}}, "user_not_found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Server, h *Host) {
				first := s.Say("U1", "C1", "", "first")
				for _, key := range []string{"ts", "timestamp"} {
					if tt.args.Get(key) == "FIRST" {
						tt.args.Set(key, first)
					}
				}
				status, a := ask(t, h, tt.token, tt.method, tt.args)
				if said, _ := a["error"].(string); status != 200 || said != tt.said || (said == "") != (a["ok"] == true) {
					t.Errorf("status %d: %v", status, a)
				}
				faults := strings.Join(s.Faults(), "|")
				if (faults == "") != (tt.fault == "") || !strings.Contains(faults, tt.fault) {
					t.Errorf("faults: %s", faults)
				}
			})
		})
	}
}

// How a call is made counts, too.
func TestForm(t *testing.T) {
	for want, change := range map[string]func(r *http.Request){
		"called with GET":          func(r *http.Request) { r.Method = http.MethodGet },
		"arguments in the address": func(r *http.Request) { r.URL.RawQuery = "token=xoxb-1" },
		"content type":             func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
	} {
		inBubble(t, func(t *testing.T, s *Server, h *Host) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, API+"auth.test", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", "Bearer "+bot)
			change(r)
			do(t, h, r)
			if faults := fmt.Sprint(s.Faults()); !strings.Contains(faults, want) {
				t.Errorf("%s: %s", want, faults)
			}
		})
	}
}

// Limits: a post a second in a channel, a tier's calls in a minute, and not before the end of Retry-After.
func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, h *Host) {
		other := s.Host()
		if status, _ := ask(t, h, bot, "chat.postMessage", message()); status != 200 {
			t.Fatal(status)
		}
		if status, a := ask(t, other, bot, "chat.postMessage", message()); status != 429 || a["retry-after"] != "1" {
			t.Errorf("the other host's: %d, %v", status, a)
		}
		if f := s.Faults(); len(f) != 0 {
			t.Errorf("it cannot know: %v", f)
		}
		if status, _ := ask(t, other, bot, "chat.postMessage", message()); status != 429 {
			t.Errorf("before the end: %d", status)
		}
		if f := fmt.Sprint(s.Faults()); !strings.Contains(f, "before the end of Retry-After") {
			t.Error(f)
		}
		time.Sleep(time.Second)
		if status, _ := ask(t, h, bot, "chat.postMessage", message()); status != 200 {
			t.Errorf("a second later: %d", status)
		}
		ask(t, h, bot, "chat.postMessage", message("channel", "D1"))
		ask(t, h, bot, "chat.postMessage", message("channel", "D1"))
		if f := fmt.Sprint(s.Faults()); !strings.Contains(f, "after the last in D1") {
			t.Error(f)
		}
	})
	inBubble(t, func(t *testing.T, s *Server, h *Host) {
		args := url.Values{"types": {"im"}, "limit": {"9"}}
		for n := range 20 + bursts {
			if status, _ := ask(t, h, bot, "conversations.list", args); status != 200 {
				t.Fatalf("call %d: %d", n, status)
			}
		}
		if status, a := ask(t, h, bot, "conversations.list", args); status != 429 || a["retry-after"] != "10" {
			t.Errorf("one more: %d, %v", status, a)
		}
		if f := fmt.Sprint(s.Faults()); !strings.Contains(f, "more than 20 times") {
			t.Error(f)
		}
	})
}

// Pages: of messages from the newest on, of a thread from its root on, of conversations; each thing comes once.
func TestPages(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, h *Host) {
		root := s.Say("U1", "C1", "", "root")
		for n := range 4 {
			s.Say("U1", "C1", "", fmt.Sprint("top ", n))
			s.Say("U1", "C1", root, fmt.Sprint("answer ", n))
		}
		read := func(method, list, field string, args url.Values) (all []string) {
			args.Set("limit", "2")
			for {
				_, a := ask(t, h, bot, method, args)
				for _, m := range a[list].([]any) {
					all = append(all, m.(map[string]any)[field].(string))
				}
				next := a["response_metadata"].(map[string]any)["next_cursor"].(string)
				if next == "" {
					return all
				}
				args.Set("cursor", next)
			}
		}
		got := map[string][]string{
			"history": read("conversations.history", "messages", "text", url.Values{"channel": {"C1"}}),
			"replies": read("conversations.replies", "messages", "text", url.Values{"channel": {"C1"}, "ts": {root}}),
			"list":    read("conversations.list", "channels", "id", url.Values{"types": {"im"}}),
		}
		want := map[string][]string{
			"history": {"top 3", "top 2", "top 1", "top 0", "root"},
			"replies": {"root", "answer 0", "answer 1", "answer 2", "answer 3"},
			"list":    {"D1", "D2"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Socket mode: a ticket is good for once, hello, an event comes until it is acknowledged, and the connection is
// renewed.
func TestSocket(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, h *Host) {
		_, a := ask(t, h, app, "apps.connections.open", nil)
		address := a["url"].(string)
		dialer := websocket.Dialer{NetDialContext: h.Dial}
		ws, _, err := dialer.Dial(address, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		if _, res, err := dialer.Dial(address, nil); err == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("the ticket is good again: %v", err)
		}
		next := func() map[string]any {
			t.Helper()
			m := map[string]any{}
			if err := ws.ReadJSON(&m); err != nil {
				t.Fatal(err)
			}
			return m
		}
		if m := next(); m["type"] != "hello" || m["num_connections"] != 1.0 {
			t.Errorf("%v", m)
		}
		s.Say("U1", "C1", "", "hello")
		first := next()
		again := next()
		if first["type"] != "events_api" || again["envelope_id"] != first["envelope_id"] || again["retry_attempt"] != 1.0 {
			t.Errorf("%v, then %v", first, again)
		}
		_ = ws.WriteJSON(map[string]any{"envelope_id": first["envelope_id"]})
		_ = ws.WriteJSON(map[string]any{"envelope_id": "another"})
		synctest.Wait()
		if f := fmt.Sprint(s.Faults()); !strings.Contains(f, `"another", which is no envelope`) {
			t.Error(f)
		}
		go func() { time.Sleep(time.Hour); s.Disconnect("refresh_requested") }()
		if m := next(); m["type"] != "disconnect" || m["reason"] != "refresh_requested" {
			t.Errorf("%v", m)
		}
	})
}
