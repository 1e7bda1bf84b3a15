//go:build machine

package chat

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/internal/githubstub"
)

// github is a repository whose issues are the chat: ann is an operator, eve reads along.
type github struct {
	*githubstub.Server
	token, ann string
}

func newGitHub() *github {
	g := &github{Server: githubstub.New("acme", "board"), token: "github_pat_" + rand.Text() + rand.Text()}
	g.AddUser("fleet-bot", "write")
	g.ann = fmt.Sprint(g.AddUser("ann", "write").ID)
	g.AddUser("eve", "read")
	g.AddToken(g.token, githubstub.Access{User: "fleet-bot", Issues: "write"})
	return g
}

func (g *github) hosts() []origins.Host { return []origins.Host{{Name: "api.github.com", Handler: g}} }

func (g *github) facts() map[string]string {
	return map[string]string{"ann": g.ann, "GITHUB_CHAT_TOKEN": g.token}
}

func (g *github) say(by, _, _, text string) string {
	for n := 1; n <= g.Issues(); n++ {
		if slices.Contains(g.Issue(n).Labels, "fleet-general") {
			return fmt.Sprint(g.Say(by, n, text))
		}
	}
	return ""
}

func (g *github) fail(how string) {
	g.Set(func(s *githubstub.Server) {
		s.Fault = func(r *http.Request, _ int) githubstub.Fault {
			switch {
			case how == late && r.Method == http.MethodPost:
				return githubstub.Late
			case how == fails:
				return githubstub.Down
			case how == cut:
				return githubstub.Unsent
			}
			return githubstub.None
		}
	})
}

func (g *github) restarts() { g.Set(func(s *githubstub.Server) { s.Shared = true }) }

func (g *github) broken() []string { return g.Broken() }

// shown returns issues that are tasks, and what was said in those and in the one that is the channel.
func (g *github) shown() (all []shown) {
	for n := 1; n <= g.Issues(); n++ {
		i := g.Issue(n)
		place, thread := "tasks", strconv.Itoa(n)
		switch {
		case slices.Contains(i.Labels, "fleet-general"):
			place, thread = "general", ""
		case slices.ContainsFunc(i.Labels, func(l string) bool { return strings.HasPrefix(l, "fleet:") }):
			all = append(all, shown{Place: place, ID: thread, By: i.By, Text: i.Title, Signs: append(i.Labels, i.State)})
		default:
			continue
		}
		for _, c := range i.Comments {
			text := c.Body
			if strings.HasPrefix(text, "<!--") {
				_, text, _ = strings.Cut(text, "\n")
			}
			all = append(all, shown{Place: place, Thread: thread, ID: fmt.Sprint(c.ID), By: c.By, Text: text})
		}
	}
	return all
}
