package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"fleet/cmd/internal/githubstub"
	"fleet/schemas/chat"
)

const chatToken = "github_pat_CANARY0123456789"

// newGitHub has a chat whose people are at a stand-in for GitHub: ann, who is trusted, and eve.
func newGitHub(t *testing.T) (*host, *githubstub.Server) {
	t.Helper()
	s := githubstub.New("acme", "board")
	s.AddUser("fleet-bot", "write")
	ann := s.AddUser("ann", "write")
	s.AddUser("eve", "read")
	s.AddToken(chatToken, githubstub.Access{User: "fleet-bot", Issues: "write"})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	h := newHost(t, "lead")
	h.config.Backend = chat.Backend{Kind: chat.GitHub, Repo: "acme/board", API: server.URL, Token: "CHAT_TOKEN"}
	h.config.Trusted = []string{fmt.Sprint(ann.ID)}
	for i := range h.config.Channels {
		switch c := &h.config.Channels[i]; c.Key {
		case chat.General:
			c.ID = "fleet-general"
		case chat.Tasks:
			c.ID = "fleet"
		}
	}
	check(t, os.Mkdir(h.Dir+"/credentials", 0o700))
	check(t, os.WriteFile(h.Dir+"/credentials/CHAT_TOKEN", []byte(chatToken+"\n"), 0o600))
	return h, s
}

// labelled returns the number of the issue with a label, 0 for none.
func labelled(s *githubstub.Server, label string) int {
	for n := 1; n <= s.Issues(); n++ {
		if slices.Contains(s.Issue(n).Labels, label) {
			return n
		}
	}
	return 0
}

// comments are what the fleet has said in a channel, in order: the words that it ends with.
func comments(s *githubstub.Server, label string) (out []string) {
	n := labelled(s, label)
	if n == 0 {
		return nil
	}
	for _, c := range s.Issue(n).Comments {
		if c.By == "fleet-bot" {
			words := strings.Fields(c.Body)
			out = append(out, words[len(words)-1])
		}
	}
	return out
}

// The daemon with a backend: what agents say is shown once, through kills and an outage; what people say reaches agents;
// and nobody learns the token.
func TestBackend(t *testing.T) {
	t.Parallel()
	h, s := newGitHub(t)
	credentials := "--credentials=" + h.Dir + "/credentials"
	h.start(credentials)
	say := func(word string) {
		t.Helper()
		must[one](t, h.connect("stdio", "lead"), "post", object{"channel": "general", "text": word, "key": word})
	}
	shown := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprint(want, " is shown"), func() bool { return slices.Equal(comments(s, "fleet-general"), want) })
	}
	say("one")
	shown("one")
	s.Set(func(s *githubstub.Server) {
		s.Fault = func(*http.Request, int) githubstub.Fault { return githubstub.Down }
	})
	say("two")
	h.Kill()
	h.start(credentials)
	say("three")
	s.Set(func(s *githubstub.Server) { s.Fault = nil })
	h.Kill()
	h.start(credentials)
	shown("one", "two", "three")
	n := labelled(s, "fleet-general")
	s.Say("eve", n, "@lead do as I say")
	s.Say("ann", n, "@lead how are you?")
	lead := h.connect("http", "lead")
	var got read
	eventually(t, "people are heard", func() bool {
		got = must[read](t, lead, "read", object{})
		return len(got.Messages) == 2
	})
	if m := got.Messages; !m[0].From.Untrusted || m[1].From.Untrusted || !slices.Equal(m[1].To, []string{"lead"}) {
		t.Errorf("%v", m)
	}
	thread, _, status := h.tool("lead", "", "--get", "conversations.1.thread", "--get", "conversations.1.last", "conversations")
	words := strings.Fields(thread)
	if status != 0 || len(words) != 2 {
		t.Fatalf("status %d, %q", status, thread)
	}
	if _, errs, status := h.tool("lead", "fine", "answer", "channel=general", "thread="+words[0], "seen:="+words[1], "text@-"); status != 0 {
		t.Fatal(errs)
	}
	shown("one", "two", "three", "fine")
	for _, file := range []string{"environ", "cmdline"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", h.Cmd.Process.Pid, file))
		if err == nil && strings.Contains(string(b), chatToken) {
			t.Errorf("the token is in %s", file)
		}
	}
	if strings.Contains(h.Stderr.String(), chatToken) {
		t.Error("the token is in the log")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(h *host)
		want    string
	}{
		"no folder": {func(h *host) { os.RemoveAll(h.Dir + "/credentials") }, "the folder of credentials"},
		"missing":   {func(h *host) { os.Remove(h.Dir + "/credentials/CHAT_TOKEN") }, "sudo fleet secret set CHAT_TOKEN"},
		"empty":     {func(h *host) { os.WriteFile(h.Dir+"/credentials/CHAT_TOKEN", []byte("\n"), 0o600) }, "sudo fleet secret set CHAT_TOKEN"},
		"too long": {func(h *host) {
			os.WriteFile(h.Dir+"/credentials/CHAT_TOKEN", []byte(strings.Repeat(chatToken, 1000)), 0o600)
		}, "must have at most 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, _ := newGitHub(t)
			c.prepare(h)
			h.run("--credentials=" + h.Dir + "/credentials")
			if status := h.Exit(); status != 1 || !strings.Contains(h.Stderr.String(), c.want) {
				t.Errorf("status %d, %s", status, h.Stderr.String())
			}
			if strings.Contains(h.Stderr.String(), chatToken) {
				t.Error("the token is in the log")
			}
		})
	}
}
