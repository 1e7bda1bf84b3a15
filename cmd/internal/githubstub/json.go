package githubstub

import (
	"fmt"
	"strconv"
	"time"
)

func (s *Server) userJSON(u *User) any {
	return map[string]any{"id": u.ID, "login": u.Login, "type": u.Type, "site_admin": false}
}

func labelJSON(l *label) any {
	return map[string]any{"id": l.ID, "name": l.Name, "color": l.Color, "description": l.Description, "default": false}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (s *Server) issueJSON(i *issue) any {
	labels, assignees := make([]any, len(i.labels)), make([]any, len(i.assignees))
	for n, name := range i.labels {
		labels[n] = labelJSON(s.labelled(name))
	}
	for n, login := range i.assignees {
		assignees[n] = s.userJSON(s.user(login))
	}
	all := map[string]any{
		"id": i.id, "number": i.number, "title": i.title, "body": i.body, "state": i.state, "user": s.userJSON(i.user),
		"labels": labels, "assignees": assignees, "comments": len(i.comments),
		"created_at": stamp(i.created), "updated_at": stamp(i.updated),
	}
	if i.body == "" {
		all["body"] = nil
	}
	if i.pull {
		all["pull_request"] = map[string]any{"url": "https://api.github.com/pulls/" + strconv.Itoa(i.number)}
	}
	return all
}

func (s *Server) commentJSON(i *issue, m *comment) any {
	return map[string]any{
		"id": m.id, "body": m.body, "user": s.userJSON(m.user),
		"created_at": stamp(m.created), "updated_at": stamp(m.updated),
		"issue_url": fmt.Sprintf("https://api.github.com/repos/%s/%s/issues/%d", s.Owner, s.Name, i.number),
	}
}

func (s *Server) eventJSON(e event) any {
	all := map[string]any{"id": e.id, "event": e.kind, "actor": s.userJSON(e.actor), "created_at": stamp(e.time)}
	if e.label != "" {
		all["label"] = map[string]any{"name": e.label}
	}
	if e.kind == "renamed" {
		all["rename"] = map[string]any{"from": e.from, "to": e.to}
	}
	if e.assignee != "" {
		all["assignee"] = s.userJSON(s.user(e.assignee))
	}
	return all
}
