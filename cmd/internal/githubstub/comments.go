package githubstub

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// listComments lists those of an issue, in the order of their making: it takes no sort.
func (c *call) listComments(i *issue, _ []string) (int, any) {
	all := []any{}
	for _, m := range i.comments {
		if !m.updated.Before(c.since()) && !c.hides(m.made) {
			all = append(all, c.s.commentJSON(i, m))
		}
	}
	status, page := list(c, all)
	if c.fault == Shifted && len(i.comments) > maxOfPage {
		c.s.remove(i.comments[0].id)
	}
	return status, page
}

func (c *call) listAllComments([]string) (int, any) {
	type entry struct {
		i *issue
		m *comment
	}
	var found []entry
	for _, i := range c.s.issues {
		if i.deleted || i.transfered {
			continue
		}
		for _, m := range i.comments {
			if !m.updated.Before(c.since()) && !c.hides(m.made) {
				found = append(found, entry{i, m})
			}
		}
	}
	q := c.URL.Query()
	slices.SortFunc(found, func(x, y entry) int {
		n := cmp.Compare(x.m.id, y.m.id)
		if q.Get("sort") == "updated" {
			n = cmp.Or(x.m.updated.Compare(y.m.updated), n)
		}
		if q.Get("direction") == "desc" {
			n = -n
		}
		return n
	})
	all := make([]any, len(found))
	for n, e := range found {
		all[n] = c.s.commentJSON(e.i, e.m)
	}
	status, page := list(c, all)
	if c.fault == Shifted && len(found) > 0 {
		found[0].m.updated = c.s.now()
	}
	return status, page
}

func (c *call) makeComment(i *issue, _ []string) (int, any) {
	var m struct {
		Body string `json:"body"`
	}
	if refused := c.decode(&m); refused != nil {
		return refused.status, refused
	}
	if refused := c.fits("body", m.Body, maxBody); refused != nil {
		return refused.status, refused
	}
	if strings.TrimSpace(m.Body) == "" {
		return no(http.StatusUnprocessableEntity, "Validation Failed: body can't be blank")
	}
	if i.locked && c.user.Role != "write" {
		return no(http.StatusForbidden, "Unable to create comment because issue is locked.")
	}
	return http.StatusCreated, c.s.commentJSON(i, c.s.say(c.user, i, m.Body))
}

func (c *call) deleteComment(args []string) (int, any) {
	id, _ := strconv.ParseInt(args[0], 10, 64)
	_, m := c.s.comment(id)
	if m == nil {
		return no(http.StatusNotFound, "Not Found")
	}
	if m.user != c.user {
		c.s.breaks("a comment of %s is deleted by %s", m.user.Login, c.user.Login)
	}
	c.s.remove(id)
	return http.StatusNoContent, nil
}
