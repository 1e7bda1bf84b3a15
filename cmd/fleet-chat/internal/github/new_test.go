package github_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/github"
	"fleet/cmd/internal/githubstub"
	"fleet/schemas/chat"
)

func TestNewRefuses(t *testing.T) {
	for want, edit := range map[string]func(c *chat.Config, o *github.Options){
		"coordination.repo":   func(c *chat.Config, _ *github.Options) { c.Backend.Repo = "acme/.." },
		"coordination.api":    func(c *chat.Config, _ *github.Options) { c.Backend.API = "https://user:secret@host/" },
		"secret CHAT_TOKEN":   func(_ *chat.Config, o *github.Options) { delete(o.Tokens, "CHAT_TOKEN") },
		"secret SCOUT_TOKEN":  func(_ *chat.Config, o *github.Options) { o.Tokens["SCOUT_TOKEN"] = github.NewToken("a\nb") },
		"operators.chatIds":   func(c *chat.Config, _ *github.Options) { c.Trusted = []string{"ann"} },
		"users/LOGIN":         func(c *chat.Config, _ *github.Options) { c.Trusted = []string{"-1"} },
		"at most 200":         func(c *chat.Config, _ *github.Options) { c.Trusted = make([]string, 201) },
		"number of an issue":  func(c *chat.Config, _ *github.Options) { c.Channels[1].ID = "0" },
		"without a comma":     func(c *chat.Config, _ *github.Options) { c.Channels[1].ID = "a,b" },
		"is a label of tasks": func(c *chat.Config, _ *github.Options) { c.Channels[1].ID = "fleet:TODO" },
		"labels of tasks begin with": func(c *chat.Config, _ *github.Options) {
			c.Channels[3].ID = strings.Repeat("a", 39)
		},
		`"12" must be what`: func(c *chat.Config, _ *github.Options) { c.Channels[3].ID = "12" },
		"its key must be":   func(c *chat.Config, _ *github.Options) { c.Agents[0].Key = "Lead" },
	} {
		l := newLab(t)
		o := github.Options{Tokens: map[string]github.Token{
			"CHAT_TOKEN": github.NewToken(fleetToken), "SCOUT_TOKEN": github.NewToken(scoutToken),
		}}
		edit(&l.config, &o)
		_, err := github.New(&l.config, o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		} else if strings.Contains(err.Error(), fleetToken) || strings.Contains(err.Error(), scoutToken) {
			t.Errorf("a token is in %q", err)
		}
	}
}

// No text of a token shows it.
func TestToken(t *testing.T) {
	token := github.NewToken(fleetToken)
	text, err := token.MarshalText()
	must(t, err)
	out := fmt.Sprintf("%v %+v %#v %s %q %x %s", token, token, token, token, struct{ T github.Token }{token}, token, text)
	if strings.Contains(out, fleetToken) || strings.Contains(out, fmt.Sprintf("%x", fleetToken)) || token.Empty() {
		t.Errorf("got %s", out)
	}
}

// A GitHub Enterprise Server is reached under its address, through the proxy that the environment names, and nothing
// else is. The proxy's variables are read once in a process: so another one asks.
func TestEnterpriseByProxy(t *testing.T) {
	l := newLab(t)
	l.Prefix = "/api/v3"
	l.config.Channels[1].ID = "1"
	l.Open("ann", "Room", "")
	server := httptest.NewTLSServer(l.Server)
	defer server.Close()
	proxy := httptest.NewServer(tunnel("example.com:443", server.Listener.Addr().String()))
	defer proxy.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))

	child := exec.Command(os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), "SSL_CERT_FILE="+ca, "SSL_CERT_DIR="+t.TempDir(), childVariable+"=1",
		"HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "https_proxy=", "no_proxy=")
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if c := l.Issue(1).Comments; len(c) != 1 || c[0].By != "fleet-bot" {
		t.Errorf("got %v", c)
	}
}

const childVariable = "FLEET_TEST_GITHUB_CHILD"

func TestChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		return // it is a part of another test
	}
	l := newLab(t)
	l.config.Backend.API = "https://example.com/api/v3"
	l.config.Channels[1].ID = "1"
	l.config.Trusted, l.config.Agents = nil, nil
	b, err := github.New(&l.config, github.Options{
		Tokens: map[string]github.Token{"CHAT_TOKEN": github.NewToken(fleetToken)},
	})
	must(t, err)
	_, err = b.Do(t.Context(), backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Text: "Hi."})
	must(t, err)
}

// tunnel is a proxy that takes connections to one address on to another.
func tunnel(from, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != from {
			http.Error(w, "no way to "+r.Host, http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		here, read, err := w.(http.Hijacker).Hijack()
		if err != nil {
			there.Close()
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, read); there.Close() }()
		go func() { _, _ = io.Copy(here, there); here.Close() }()
	})
}

// Over a real connection it is the same, whatever breaks it.
func TestConnections(t *testing.T) {
	for _, fault := range []githubstub.Fault{githubstub.Unsent, githubstub.CutOff, githubstub.Garbage, githubstub.Down} {
		l := newLab(t)
		l.config.Channels[1].ID = "1"
		l.config.Trusted, l.config.Agents = nil, nil
		l.Open("ann", "Room", "")
		server := httptest.NewServer(l.Server)
		l.config.Backend.API = server.URL
		b, err := github.New(&l.config, github.Options{
			Tokens: map[string]github.Token{"CHAT_TOKEN": github.NewToken(fleetToken)}, Transport: &http.Transport{},
		})
		must(t, err)
		l.Fault = func(*http.Request, int) githubstub.Fault { return fault }
		e := backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Text: "Hi."}
		_, err = b.Do(t.Context(), e)
		mustBeLater(t, err)
		l.Set(func(s *githubstub.Server) { s.Fault = nil })
		_, err = b.Do(t.Context(), e)
		must(t, err)
		server.Close()
	}
}

// An answer that leads to another host is not followed: that host would see the token.
func TestElsewhere(t *testing.T) {
	asked := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusMovedPermanently)
	}))
	defer server.Close()
	l := newLab(t)
	l.config.Backend.API = server.URL
	b, err := github.New(&l.config, github.Options{Tokens: map[string]github.Token{
		"CHAT_TOKEN": github.NewToken(fleetToken), "SCOUT_TOKEN": github.NewToken(scoutToken),
	}})
	must(t, err)
	_, err = b.Do(t.Context(), hello)
	mustBeLater(t, err, "another place")
	if len(asked) != 0 {
		t.Errorf("the other host was asked for %s", <-asked)
	}
}

// Whoever waits for a turn or a limit goes when it is told to.
func TestCancel(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Latency = 20 * time.Second
		b := l.host()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		ended := make(chan error, 3)
		for n := range 3 {
			e := hello
			e.ID = id(n)
			go func() {
				_, err := b.Do(ctx, e)
				ended <- err
			}()
		}
		for range 3 {
			err := <-ended
			mustBeLater(t, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		time.Sleep(time.Minute)
	})
}
