package githubstub

import (
	"net/http"
	"net/url"
	"slices"
)

func (c *call) listLabels([]string) (int, any) {
	all := make([]any, len(c.s.labels))
	for i, l := range c.s.labels {
		all[i] = labelJSON(l)
	}
	return list(c, all)
}

func (c *call) makeLabel([]string) (int, any) {
	l := &label{}
	if refused := c.decode(l); refused != nil {
		return refused.status, refused
	}
	if c.s.labelled(l.Name) != nil {
		return no(http.StatusUnprocessableEntity, "Validation Failed: already_exists")
	}
	if refused := c.fits("label", l.Name, maxLabel); refused != nil {
		return refused.status, refused
	}
	l.ID = c.s.next()
	c.s.labels = append(c.s.labels, l)
	return http.StatusCreated, labelJSON(l)
}

func (c *call) editLabel(args []string) (int, any) {
	name, _ := url.PathUnescape(args[0])
	l, change := c.s.labelled(name), &label{}
	if l == nil {
		return no(http.StatusNotFound, "Not Found")
	}
	if refused := c.decode(change); refused != nil {
		return refused.status, refused
	}
	l.Color, l.Description = change.Color, change.Description
	return http.StatusOK, labelJSON(l)
}

func (c *call) addLabels(i *issue, _ []string) (int, any) {
	var names []string
	if refused := c.decode(&names); refused != nil {
		return refused.status, refused
	}
	for _, name := range names {
		if refused := c.fits("label", name, maxLabel); refused != nil {
			return refused.status, refused
		}
	}
	c.s.label(c.user, i, names)
	return c.labelsOf(i)
}

func (c *call) labelsOf(i *issue) (int, any) {
	all := make([]any, len(i.labels))
	for n, name := range i.labels {
		all[n] = labelJSON(c.s.labelled(name))
	}
	return http.StatusOK, all
}

func (c *call) removeLabel(i *issue, args []string) (int, any) {
	name, _ := url.PathUnescape(args[0])
	if !c.s.unlabel(c.user, i, name) {
		return no(http.StatusNotFound, "Label does not exist")
	}
	return c.labelsOf(i)
}

func (c *call) assignees() ([]string, *refusal) {
	var change struct {
		Assignees []string `json:"assignees"`
	}
	refused := c.decode(&change)
	return change.Assignees, refused
}

func (c *call) addAssignees(i *issue, _ []string) (int, any) {
	to, refused := c.assignees()
	if refused != nil {
		return refused.status, refused
	}
	c.s.assign(c.user, i, to)
	return http.StatusCreated, c.s.issueJSON(i)
}

func (c *call) removeAssignees(i *issue, _ []string) (int, any) {
	from, refused := c.assignees()
	if refused != nil {
		return refused.status, refused
	}
	for _, login := range from {
		if n := slices.Index(i.assignees, login); n >= 0 {
			i.assignees = slices.Delete(i.assignees, n, n+1)
			c.s.happens(i, c.user, event{kind: "unassigned", assignee: login})
		}
	}
	return http.StatusOK, c.s.issueJSON(i)
}
