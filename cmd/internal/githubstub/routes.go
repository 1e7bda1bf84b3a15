package githubstub

import (
	"fmt"
	"net/http"
	"regexp"
	"unicode/utf8"
)

type route struct {
	method string
	path   *regexp.Regexp
	answer func(c *call, args []string) (int, any)
	query  []string // parameters that it takes
}

func at(method, path string, answer func(c *call, args []string) (int, any), query ...string) route {
	return route{method, regexp.MustCompile("^" + path + "$"), answer, query}
}

// withIssue finds the issue that the address names.
func withIssue(answer func(c *call, i *issue, args []string) (int, any)) func(*call, []string) (int, any) {
	return func(c *call, args []string) (int, any) {
		i := c.s.issue(number(args[0], 0))
		switch {
		case i == nil:
			return no(http.StatusNotFound, "Not Found")
		case i.deleted:
			return no(http.StatusGone, "This issue was deleted")
		case i.transfered:
			return http.StatusMovedPermanently, &refusal{
				status: http.StatusMovedPermanently, message: "Moved Permanently",
				header: map[string]string{"Location": "https://" + c.Host + c.s.Prefix + "/repositories/2/issues/1"},
			}
		}
		return answer(c, i, args[1:])
	}
}

var routes = []route{
	at("GET", "/labels", (*call).listLabels, "per_page", "page"),
	at("POST", "/labels", (*call).makeLabel),
	at("PATCH", "/labels/([^/]+)", (*call).editLabel),
	at("GET", "/issues", (*call).listIssues,
		"per_page", "page", "state", "labels", "creator", "since", "sort", "direction"),
	at("POST", "/issues", (*call).makeIssue),
	at("GET", "/issues/comments", (*call).listAllComments, "per_page", "page", "since", "sort", "direction"),
	at("DELETE", `/issues/comments/(\d+)`, (*call).deleteComment),
	at("GET", `/issues/(\d+)`, withIssue((*call).getIssue)),
	at("PATCH", `/issues/(\d+)`, withIssue((*call).editIssue)),
	at("GET", `/issues/(\d+)/events`, withIssue((*call).listEvents), "per_page", "page"),
	at("GET", `/issues/(\d+)/comments`, withIssue((*call).listComments), "per_page", "page", "since"),
	at("POST", `/issues/(\d+)/comments`, withIssue((*call).makeComment)),
	at("POST", `/issues/(\d+)/labels`, withIssue((*call).addLabels)),
	at("DELETE", `/issues/(\d+)/labels/([^/]+)`, withIssue((*call).removeLabel)),
	at("POST", `/issues/(\d+)/assignees`, withIssue((*call).addAssignees)),
	at("DELETE", `/issues/(\d+)/assignees`, withIssue((*call).removeAssignees)),
}

// fits judges the length of a text.
func (c *call) fits(what, text string, most int) *refusal {
	if n := utf8.RuneCountInString(text); n <= most {
		return nil
	}
	c.s.breaks("%s %s: the %s has more than %d characters", c.Method, c.URL.Path, what, most)
	message := fmt.Sprintf("Validation Failed: %s is too long (maximum is %d characters)", what, most)
	return &refusal{status: http.StatusUnprocessableEntity, message: message}
}
