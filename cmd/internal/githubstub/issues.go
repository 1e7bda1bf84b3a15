package githubstub

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func (c *call) listIssues([]string) (int, any) {
	q := c.URL.Query()
	state, since := cmp.Or(q.Get("state"), "open"), c.since()
	var found []*issue
	for _, i := range c.s.issues {
		wanted := func(l string) bool { return l == "" || slices.Contains(i.labels, l) }
		labels := strings.Split(q.Get("labels"), ",")
		if i.deleted || i.transfered || c.hides(i.made) || state != "all" && i.state != state || i.updated.Before(since) ||
			slices.ContainsFunc(labels, func(l string) bool { return !wanted(l) }) ||
			q.Get("creator") != "" && !strings.EqualFold(q.Get("creator"), i.user.Login) {
			continue
		}
		found = append(found, i)
	}
	c.sort(q, found)
	all := make([]any, len(found))
	for n, i := range found {
		all[n] = c.s.issueJSON(i)
	}
	status, page := list(c, all)
	if c.fault == Shifted && len(found) > 0 {
		// One of the page is updated before the next page is asked for, and moves to the end.
		c.s.happens(found[0], found[0].user, event{kind: "subscribed"})
	}
	return status, page
}

func (c *call) sort(q url.Values, found []*issue) {
	slices.SortStableFunc(found, func(x, y *issue) int {
		n := cmp.Compare(x.number, y.number)
		if q.Get("sort") == "updated" {
			n = cmp.Or(x.updated.Compare(y.updated), n)
		}
		if q.Get("direction") != "asc" {
			n = -n
		}
		return n
	})
}

type issueChange struct {
	Title       *string   `json:"title"`
	Body        *string   `json:"body"`
	State       *string   `json:"state"`
	StateReason *string   `json:"state_reason"`
	Labels      *[]string `json:"labels"`
	Assignees   *[]string `json:"assignees"`
}

func (c *call) text(change *issueChange) *refusal {
	if refused := c.decode(change); refused != nil {
		return refused
	}
	for _, text := range []struct {
		what string
		text *string
		most int
	}{{"title", change.Title, maxTitle}, {"body", change.Body, maxBody}} {
		if text.text != nil {
			if refused := c.fits(text.what, *text.text, text.most); refused != nil {
				return refused
			}
		}
	}
	return nil
}

func (c *call) makeIssue([]string) (int, any) {
	change := &issueChange{}
	if refused := c.text(change); refused != nil {
		return refused.status, refused
	}
	if change.Title == nil || *change.Title == "" {
		return no(http.StatusUnprocessableEntity, "Validation Failed: title missing_field")
	}
	var labels []string
	if change.Labels != nil {
		labels = *change.Labels
	}
	for _, l := range labels {
		if refused := c.fits("label", l, maxLabel); refused != nil {
			return refused.status, refused
		}
	}
	body := ""
	if change.Body != nil {
		body = *change.Body
	}
	return http.StatusCreated, c.s.issueJSON(c.s.open(c.user, *change.Title, body, labels))
}

func (c *call) getIssue(i *issue, _ []string) (int, any) { return http.StatusOK, c.s.issueJSON(i) }

func (c *call) editIssue(i *issue, _ []string) (int, any) {
	change := &issueChange{}
	if refused := c.text(change); refused != nil {
		return refused.status, refused
	}
	if c.user.Role != "write" && c.user != i.user && (change.Title != nil || change.Body != nil) {
		return no(http.StatusForbidden, "Must have admin rights to Repository.")
	}
	if change.Title != nil && *change.Title != i.title {
		c.s.rename(c.user, i, *change.Title)
	}
	if change.Body != nil && *change.Body != i.body {
		i.body, i.updated = *change.Body, c.s.now()
		c.s.reads(i.body)
	}
	if change.State != nil && *change.State != i.state {
		i.state, i.reason = *change.State, ""
		kind := "reopened"
		if i.state == "closed" {
			kind = "closed"
			if change.StateReason != nil {
				i.reason = *change.StateReason
			}
		}
		c.s.happens(i, c.user, event{kind: kind})
	}
	return http.StatusOK, c.s.issueJSON(i)
}

func (c *call) listEvents(i *issue, _ []string) (int, any) {
	all := []any{}
	for _, e := range i.events {
		if !c.hides(e.made) {
			all = append(all, c.s.eventJSON(e))
		}
	}
	return list(c, all)
}
