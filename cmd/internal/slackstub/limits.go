package slackstub

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// admit says whether an app may call a method now; if not, why, or how many seconds it has to wait. The lock is held.
func (s *Server) admit(host *Host, name string, m method, token string, args url.Values) (answer, int) {
	want := "xoxb-"
	if name == "apps.connections.open" {
		want = "xapp-"
	}
	app := s.app(token)
	switch {
	case tokenKind(token) != want:
		s.fault("%s: called with a token that begins with %s", name, tokenKind(token))
		return no("not_allowed_token_type"), 0
	case app == nil:
		return no("invalid_auth"), 0
	}
	if wait := s.limit(host, app, name, m, args); wait > 0 {
		return nil, wait
	}
	if need := scope(m.scope, args.Get("channel")); need != "" && !slices.Contains(app.Scopes, need) {
		provided := strings.Join(app.Scopes, ",")
		return answer{"ok": false, "error": "missing_scope", "needed": need, "provided": provided}, 0
	}
	return nil, 0
}

// limit says how many seconds an app has to wait before a call, by the limits that Slack publishes.
func (s *Server) limit(host *Host, app *App, name string, m method, args url.Values) int {
	now := time.Now()
	key := app.ID + " " + name
	if until := host.until[key]; now.Before(until) {
		s.fault("%s: called %v before the end of Retry-After", name, until.Sub(now))
	}
	if until := app.until[name]; now.Before(until) {
		return seconds(until.Sub(now))
	}
	minute := func(calls []time.Time) []time.Time {
		return slices.DeleteFunc(calls, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	}
	host.calls[key], app.calls[name] = append(minute(host.calls[key]), now), minute(app.calls[name])
	if len(host.calls[key]) > m.perMin+bursts {
		s.fault("%s: called more than %d times in a minute", name, m.perMin)
	}
	if len(app.calls[name]) >= m.perMin+bursts {
		return 10
	}
	app.calls[name] = append(app.calls[name], now)
	channel := args.Get("channel")
	if name != "chat.postMessage" {
		return 0
	}
	if last := host.posts[app.ID+" "+channel]; now.Sub(last) < time.Second {
		s.fault("%s: %v after the last in %s", name, now.Sub(last), channel)
	}
	if now.Sub(app.posts[channel]) < time.Second {
		return 1
	}
	host.posts[app.ID+" "+channel], app.posts[channel] = now, now
	return 0
}

// seconds is a time in whole seconds, as Retry-After has it.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// close tells a host how many seconds not to call a method. Who calls while it is closed does not keep it closed.
func (s *Server) close(host *Host, app *App, name string, seconds int) {
	now := time.Now()
	until := now.Add(time.Duration(seconds) * time.Second)
	host.until[app.ID+" "+name] = until
	if !now.Before(app.until[name]) {
		app.until[name] = until
	}
}

// scope is the scope for a channel, where it depends on its kind.
func scope(s, channel string) string {
	if !strings.HasPrefix(s, ":") || channel == "" {
		return strings.TrimPrefix(s, ":")
	}
	return map[byte]string{'C': "channels", 'G': "groups", 'D': "im"}[channel[0]] + s
}
