package control

import (
	"math"
	"slices"
	"strings"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func (s *Server) tasks(r request) (any, error) {
	v := parameters(r.Request, []string{"for", "after", "limit"}, "state")
	f := chatctl.Filter{
		States: v.all["state"], For: v.all.Get("for"), After: v.number("after", 0, math.MaxInt64-1),
		Limit: int(v.number("limit", 1, chatctl.MaxPage)),
	}
	for i, state := range f.States {
		if slices.Contains(f.States[:i], state) {
			v.keep(bad("state %.20q must be there once", state))
		}
		v.keep(checkState(state))
	}
	if v.fault != nil {
		return nil, v.fault
	}
	out, err := s.hub.Tasks(f)
	size := func(t *chat.Task) int { return len(t.Title) + len(t.Body) }
	if n := fitting(out.Tasks, false, size); n < len(out.Tasks) {
		out.Tasks, out.More = out.Tasks[:n], true
	}
	return out, err
}

func checkState(state string) error {
	if !slices.Contains(chat.States, state) {
		return bad("state must be one of %s, is %.20q", strings.Join(chat.States, ", "), state)
	}
	return nil
}

// number is the task that a request is about.
func (r request) number() (int64, error) {
	if v := parameters(r.Request, nil); v.fault != nil {
		return 0, v.fault
	}
	n, err := parseNumber(r.PathValue("number"), math.MaxInt64)
	if err != nil || n == 0 {
		return 0, bad("%.20q is not the number of a task", r.PathValue("number"))
	}
	return n, nil
}

func (s *Server) task(r request) (any, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	return s.hub.Task(n)
}

func (s *Server) createTask(r request) (any, error) {
	t, err := read[chatctl.NewTask](r)
	if err != nil {
		return nil, err
	}
	if err := checkKey(t.Key); err != nil {
		return nil, err
	}
	return s.hub.CreateTask(r.Context(), r.person(), t)
}

func (s *Server) claimTask(r request) (any, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	c, err := read[chatctl.Claim](r)
	if err != nil {
		return nil, err
	}
	return s.hub.ClaimTask(r.Context(), r.person(), n, c.For)
}

func (s *Server) updateTask(r request) (any, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	c, err := read[chatctl.Change](r)
	if err != nil {
		return nil, err
	}
	if c.State == nil && c.For == nil && c.Title == nil && c.Body == nil {
		return nil, bad("a change must change something")
	}
	if c.State != nil {
		if err := checkState(*c.State); err != nil {
			return nil, err
		}
	}
	return s.hub.UpdateTask(r.Context(), r.person(), n, c)
}
