package control

import (
	"math"
	"net/http"

	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

func (s *Server) chat(r request) (any, error) {
	if v := parameters(r.Request, nil); v.fault != nil {
		return nil, v.fault
	}
	return s.hub.Chat()
}

func (s *Server) messages(r request) (any, error) {
	v := parameters(r.Request, []string{"channel", "thread", "after", "before", "limit"})
	q := chatctl.Query{
		Channel: v.all.Get("channel"), Thread: v.all.Get("thread"), Before: v.number("before", 0, math.MaxInt64),
		Limit: int(v.number("limit", 1, chatctl.MaxPage)),
	}
	if v.all.Has("after") {
		after := v.number("after", 0, math.MaxInt64-1)
		q.After = &after
	}
	switch {
	case v.fault != nil:
		return nil, v.fault
	case q.Channel == "":
		return nil, bad("channel must be there")
	case q.After != nil && q.Before != 0:
		return nil, bad("after and before exclude each other")
	}
	out, err := s.hub.Messages(q)
	if n := fitting(out.Messages, q.After == nil, func(m *chat.Message) int { return len(m.Text) }); n < len(out.Messages) {
		out.More = true
		if q.After != nil {
			out.Messages = out.Messages[:n]
		} else {
			out.Messages = out.Messages[len(out.Messages)-n:]
		}
	}
	return out, err
}

// fitting is how many of all, from the beginning or from the end, one answer takes.
func fitting[T any](all []T, fromEnd bool, size func(*T) int) int {
	sum := 0
	for n := range all {
		at := n
		if fromEnd {
			at = len(all) - 1 - n
		}
		if sum += size(&all[at]); sum > chatctl.MaxPageText && n > 0 {
			return n
		}
	}
	return len(all)
}

func (s *Server) post(r request) (any, error) {
	m, err := read[chatctl.NewMessage](r)
	if err != nil {
		return nil, err
	}
	if err := checkKey(m.Key); err != nil {
		return nil, err
	}
	if len(m.To) > chatctl.MaxTo {
		return nil, bad("a message is for at most %d agents", chatctl.MaxTo)
	}
	said, err := s.hub.Post(r.Context(), r.person(), m)
	return chatctl.Posted{Message: &said}, err
}

func (s *Server) alert(r request) (any, error) {
	if !r.fleet() {
		return nil, &fault{http.StatusForbidden, "only root speaks for the fleet"}
	}
	a, err := read[chatctl.Alert](r)
	if err != nil {
		return nil, err
	}
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	have, err := s.hub.Chat()
	if err != nil {
		return nil, err
	}
	a.Text, _ = clean.Cut(clean.Text(a.Text), have.MaxMessage) // one that is too long is better than none
	said, err := s.hub.Alert(r.Context(), a)
	return chatctl.Posted{Message: said}, err
}
