package githubstub

import (
	"slices"
	"strings"
	"time"
)

// What follows people do in the browser. Each panics where a test names what is not there.

func (s *Server) user(login string) *User {
	u := s.users[strings.ToLower(login)]
	if u == nil {
		panic("githubstub: no user " + login)
	}
	return u
}

func (s *Server) issue(number int) *issue {
	if number < 1 || number > len(s.issues) {
		return nil
	}
	return s.issues[number-1]
}

// Open opens an issue.
func (s *Server) Open(login, title, body string, labels ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open(s.user(login), title, body, labels).number
}

func (s *Server) open(u *User, title, body string, labels []string) *issue {
	now := s.now()
	i := &issue{
		id: s.next(), number: len(s.issues) + 1, title: title, body: body, state: "open", user: u,
		created: now, updated: now, made: time.Now(),
	}
	s.issues = append(s.issues, i)
	s.label(u, i, labels)
	s.reads(body)
	return i
}

// OpenPull opens a pull request, which the API lists with the issues.
func (s *Server) OpenPull(login, title, body string, labels ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.open(s.user(login), title, body, labels)
	i.pull = true
	return i.number
}

// Say comments on an issue and returns the comment's id.
func (s *Server) Say(login string, number int, body string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(s.user(login), s.issue(number), body).id
}

func (s *Server) say(u *User, i *issue, body string) *comment {
	now := s.now()
	c := &comment{id: s.next(), body: body, user: u, created: now, updated: now, made: time.Now()}
	i.comments = append(i.comments, c)
	i.updated = now
	s.reads(body)
	return c
}

// Edit changes a comment's text, which its author or anyone with write access can.
func (s *Server) Edit(id int64, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, c := s.comment(id)
	c.body, c.updated = body, s.now()
}

// EditIssue changes the text of an issue, of which the API's events tell nothing.
func (s *Server) EditIssue(number int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.issue(number)
	i.body, i.updated = body, s.now()
}

// Rename gives an issue another title.
func (s *Server) Rename(login string, number int, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rename(s.user(login), s.issue(number), title)
}

func (s *Server) rename(u *User, i *issue, title string) {
	from := i.title
	i.title = title
	s.happens(i, u, event{kind: "renamed", from: from, to: title})
}

// Lock lets only those with the role Write comment on an issue.
func (s *Server) Lock(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issue(number).locked = true
}

// Delete takes a comment away.
func (s *Server) Delete(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(id)
}

func (s *Server) remove(id int64) {
	i, c := s.comment(id)
	i.comments = slices.DeleteFunc(i.comments, func(other *comment) bool { return other == c })
}

func (s *Server) comment(id int64) (*issue, *comment) {
	for _, i := range s.issues {
		for _, c := range i.comments {
			if c.id == id {
				return i, c
			}
		}
	}
	return nil, nil
}

// DeleteIssue takes an issue away; Transfer moves it to another repository.
func (s *Server) DeleteIssue(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issue(number).deleted = true
}

// Transfer moves an issue to another repository.
func (s *Server) Transfer(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issue(number).transfered = true
}

// Label sets labels, Unlabel takes one off.
func (s *Server) Label(login string, number int, labels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.label(s.user(login), s.issue(number), labels)
}

func (s *Server) label(u *User, i *issue, labels []string) {
	if u.Role != "write" && u.Role != "triage" {
		return // GitHub leaves them out without a word
	}
	for _, name := range labels {
		if s.labelled(name) == nil {
			s.labels = append(s.labels, &label{ID: s.next(), Name: name, Color: "ededed"})
		}
		name = s.labelled(name).Name
		if !slices.Contains(i.labels, name) {
			i.labels = append(i.labels, name)
			s.happens(i, u, event{kind: "labeled", label: name})
		}
	}
}

func (s *Server) labelled(name string) *label {
	for _, l := range s.labels {
		if strings.EqualFold(l.Name, name) {
			return l
		}
	}
	return nil
}

// Unlabel takes a label off.
func (s *Server) Unlabel(login string, number int, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlabel(s.user(login), s.issue(number), name)
}

func (s *Server) unlabel(u *User, i *issue, name string) bool {
	n := slices.IndexFunc(i.labels, func(l string) bool { return strings.EqualFold(l, name) })
	if n < 0 {
		return false
	}
	s.happens(i, u, event{kind: "unlabeled", label: i.labels[n]})
	i.labels = slices.Delete(i.labels, n, n+1)
	return true
}

func (s *Server) happens(i *issue, u *User, e event) {
	e.id, e.actor, e.time, e.made = s.next(), u, s.now(), time.Now()
	i.events = append(i.events, e)
	i.updated = e.time
}

// Close closes an issue, Reopen opens it again.
func (s *Server) Close(login string, number int) { s.turn(login, number, "closed", "closed") }

// Reopen opens an issue again.
func (s *Server) Reopen(login string, number int) { s.turn(login, number, "open", "reopened") }

func (s *Server) turn(login string, number int, state, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.issue(number)
	i.state = state
	s.happens(i, s.user(login), event{kind: kind})
}

// Assign gives an issue to somebody.
func (s *Server) Assign(login string, number int, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assign(s.user(login), s.issue(number), []string{to})
}

func (s *Server) assign(u *User, i *issue, to []string) {
	for _, login := range to {
		who := s.users[strings.ToLower(login)]
		if who == nil || !i.takes(who) || slices.Contains(i.assignees, who.Login) {
			continue
		}
		i.assignees = append(i.assignees, who.Login)
		s.happens(i, u, event{kind: "assigned", assignee: who.Login})
		s.called = append(s.called, who.Login)
	}
}

// takes tells whether an issue can be assigned to somebody. Who has neither the right nor a part in it is left out
// without a word.
func (i *issue) takes(u *User) bool {
	return u.Role == "write" || u.Role == "triage" || u == i.user ||
		slices.ContainsFunc(i.comments, func(c *comment) bool { return c.user == u })
}

// Issue is an issue as people see it.
type Issue struct {
	Title, Body, State, Reason string
	Labels, Assignees          []string
	Comments                   []Comment
	By                         string
}

// Comment is a comment as people see it.
type Comment struct {
	ID       int64
	By, Body string
}

// Issue returns an issue, with its labels sorted.
func (s *Server) Issue(number int) Issue {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.issue(number)
	view := Issue{
		Title: i.title, Body: i.body, State: i.state, Reason: i.reason, By: i.user.Login,
		Labels: slices.Sorted(slices.Values(i.labels)), Assignees: slices.Sorted(slices.Values(i.assignees)),
	}
	for _, c := range i.comments {
		view.Comments = append(view.Comments, Comment{c.id, c.user.Login, c.body})
	}
	return view
}

// Issues is how many issues were opened.
func (s *Server) Issues() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.issues)
}

// Labels are the names of the repository's labels, sorted.
func (s *Server) Labels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, l := range s.labels {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return names
}

// User returns an account, to be changed.
func (s *Server) User(login string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user(login)
}
