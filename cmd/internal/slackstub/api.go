package slackstub

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// call is a call of a method, by an app that may call it.
type call struct {
	s    *Server
	app  *App
	args url.Values
}

// answer is what a method says: its fields, or the word for why not.
type answer map[string]any

func no(word string) answer { return answer{"ok": false, "error": word} }

// method is one of the Web API.
type method struct {
	do     func(c *call) answer
	args   string // names, spaces between; token is always one
	perMin int    // by its tier
	scope  string // "" is none, or by the channel's kind
}

var methods = map[string]method{
	"apps.connections.open": {(*call).open, "", 50, ""},
	"auth.test":             {(*call).authTest, "", 100, ""},
	"chat.delete":           {(*call).deleteMessage, "channel ts", 50, "chat:write"},
	"chat.postMessage": {
		(*call).postMessage,
		"channel text blocks thread_ts username metadata parse link_names unfurl_links unfurl_media",
		1000, "chat:write",
	},
	"chat.update": {
		(*call).updateMessage, "channel ts text blocks metadata parse link_names", 50, "chat:write",
	},
	"conversations.history": {(*call).history, readArgs, 50, ":history"},
	"conversations.info":    {(*call).info, "channel include_locale include_num_members", 50, ":read"},
	"conversations.list":    {(*call).list, "types limit cursor exclude_archived team_id", 20, "im:read"},
	"conversations.replies": {(*call).replies, "ts " + readArgs, 50, ":history"},
	"reactions.add":         {(*call).addReaction, "channel timestamp name", 50, "reactions:write"},
	"reactions.remove":      {(*call).removeReaction, "channel timestamp name", 20, "reactions:write"},
	"users.info":            {(*call).userInfo, "user include_locale", 100, "users:read"},
}

const readArgs = "channel cursor inclusive latest limit oldest include_all_metadata"

// bursts is how many calls more than a tier's in a minute are let through.
const bursts = 12

// ServeHTTP is http.Handler's.
func (s *Server) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/link/" {
		s.link(out, r)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/api/")
	m, known := methods[name]
	if !ok || !known {
		writeJSON(out, no("unknown_method"))
		return
	}
	args, token := s.read(r, name)
	s.mu.Lock()
	if late := s.goes(name, true); late != nil {
		s.mu.Unlock()
		s.pause(late.Late)
		s.mu.Lock()
	}
	s.calls[name]++
	host, app := hostOf(r), s.app(token)
	a, wait := s.admit(host, name, m, token, args)
	var wrong *Wrong
	if a == nil && wait == 0 {
		if wrong = s.goes(name, false); wrong == nil || wrong.After {
			a = m.do(&call{s: s, app: app, args: args})
		}
		if wrong != nil {
			a, wait = nil, wrong.Retry
		}
	}
	if wait > 0 {
		s.close(host, app, name, wait)
	}
	s.mu.Unlock()
	if app != nil {
		out.Header().Set("X-OAuth-Scopes", strings.Join(app.Scopes, ","))
	}
	switch {
	case wait > 0:
		(&Wrong{Status: http.StatusTooManyRequests, Retry: wait}).answer(out, r, s.ending)
	case a == nil:
		wrong.answer(out, r, s.ending)
	default:
		if _, said := a["ok"]; !said {
			a["ok"] = true
		}
		writeJSON(out, a)
	}
}

func writeJSON(out http.ResponseWriter, v any) {
	out.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(out).Encode(v)
}

// read returns the arguments and the token of a call.
func (s *Server) read(r *http.Request, name string) (url.Values, string) {
	var faults []string
	bad := func(format string, args ...any) { faults = append(faults, name+": "+fmt.Sprintf(format, args...)) }
	if r.Method != http.MethodPost {
		bad("called with %s", r.Method)
	}
	if r.URL.RawQuery != "" {
		bad("arguments in the address: %s", r.URL.RawQuery)
	}
	args := url.Values{}
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			bad("%v", err)
		}
		args = r.PostForm
	case "application/json":
		fields := map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&fields); err != nil && err.Error() != "EOF" {
			bad("%v", err)
		}
		for key, value := range fields {
			args.Set(key, fmt.Sprint(value))
		}
	default:
		bad("content type %q", r.Header.Get("Content-Type"))
	}
	token, inHeader := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case name == "apps.connections.open" && !inHeader:
		bad("the token must stand in the header")
	case !inHeader:
		token = args.Get("token")
	}
	args.Del("token")
	for key := range args {
		if !slices.Contains(strings.Fields(methods[name].args), key) {
			bad("has no argument %s", key)
		}
	}
	s.mu.Lock()
	s.faults = append(s.faults, faults...)
	s.mu.Unlock()
	return args, token
}
