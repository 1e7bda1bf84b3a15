package slack

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/internal/slackstub"
	"fleet/schemas/chat"
)

// proxy is one of HTTP that leads all to the workspace.
type proxy struct {
	host *slackstub.Host
	mu   sync.Mutex
	seen []string // what was asked of it
}

// ServeHTTP is http.Handler's.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.URL.Host)
	p.mu.Unlock()
	if r.Method != http.MethodConnect {
		(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: p.host.Transport()}).ServeHTTP(w, r)
		return
	}
	to, err := p.host.Dial(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	join(from, rest, to)
}

// join copies both ways until either ends.
func join(from net.Conn, rest *bufio.ReadWriter, to net.Conn) {
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(to, rest); done <- struct{}{} }()
	go func() { _, _ = io.Copy(from, to); done <- struct{}{} }()
	<-done
}

func (p *proxy) asked(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.seen, what)
}

// What goes to Slack goes through the proxy that the environment names: the Web API and the connection of socket mode.
func TestProxy(t *testing.T) {
	s := slackstub.New()
	app := &slackstub.App{ID: "A1", User: "UFLEET", Bot: "BFLEET", BotToken: botToken, AppToken: appToken}
	s.Add(app, &slackstub.Channel{ID: "C0GENERAL", Members: []string{"UFLEET", "U1"}}, &slackstub.User{ID: "U1", Name: "grace"})
	t.Cleanup(s.Close)
	p := &proxy{host: s.Host()}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	t.Setenv("HTTP_PROXY", server.URL)
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")

	c, tokens := config()
	c.Channels = []chat.Channel{{Key: "general", ID: "C0GENERAL"}}
	log := logrus.New()
	log.SetOutput(io.Discard)
	b, err := New(c, Options{Log: log, Token: func(credential string) (string, error) { return tokens[credential], nil }})
	if err != nil {
		t.Fatal(err)
	}
	in, ended := newInbox(), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- b.Run(ctx, in) }()
	until(t, func() bool { return s.Connections(app) == 1 })
	s.Say("U1", "C0GENERAL", "", "hello")
	until(t, func() bool { return len(in.of("general")) == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, what := range []string{"POST slack.test", "CONNECT wss.slack.test:80"} {
		if !p.asked(what) {
			t.Errorf("the proxy was not asked for %s", what)
		}
	}
}

// A redirect is not followed: the token would go along.
func TestRedirect(t *testing.T) {
	var stolen sync.Once
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		stolen.Do(func() { t.Error("the redirect was followed") })
	}))
	t.Cleanup(elsewhere.Close)
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(here.Close)
	c, tokens := config()
	c.Backend.API = here.URL + "/api"
	b, err := New(c, Options{Log: logrus.New(), Token: func(credential string) (string, error) { return tokens[credential], nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Do(t.Context(), post(1, "hello")); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
}

// until waits for something that has to come about.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}
