package hub

import (
	"slices"
	"time"

	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

// spread tells of a message that is stored. called are those that it named; what a person says in an agent's channel or
// thread is for that agent too.
func (h *Hub) spread(m *chat.Message, called []string) {
	h.news.ring()
	h.outbox.queue(m.Channel)
	to := m.To
	if a := h.own[m.Channel]; a != nil && !slices.Contains(to, a.Key()) {
		to = append(slices.Clone(to), a.Key())
	}
	for _, key := range to {
		if m.From.Kind == chat.KindAgent && m.From.ID == key {
			continue
		}
		h.call(key, chat.Wake{
			Reason: h.reason(m, key, called), Channel: m.Channel, Thread: m.Thread, Message: m.Seq,
			Untrusted: m.From.Untrusted,
		})
	}
}

func (h *Hub) reason(m *chat.Message, key string, called []string) string {
	switch {
	case slices.Contains(called, key) || m.Channel == store.DirectTo(key):
		return chat.WakeMention
	case h.agents[key].of.Channel == m.Channel:
		return chat.WakeChannel
	}
	return chat.WakeThread
}

// strangerTime is how often people who are not trusted wake an agent at most: nobody is to have it work without a pause.
const strangerTime = 10 * time.Minute

// call wakes an agent. That it is not woken keeps nothing from it: it reads in its next session.
func (h *Hub) call(key string, w chat.Wake) {
	if !w.Untrusted || h.agents[key].admits(h.time()) {
		h.try("wake an agent", h.wake.Wake(key, w))
	}
}

// admits tells whether a stranger may wake the agent now.
func (a *Agent) admits(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !now.Before(a.stranger) && now.Sub(a.stranger) < strangerTime {
		return false
	}
	a.stranger = now
	return true
}

// wakeWaiting wakes agents for whose answer somebody waits since before this daemon's start: it may have ended between
// storing a message and calling.
func (h *Hub) wakeWaiting() {
	for _, a := range h.config.Agents {
		all, err := h.store.Talks(a.Key)
		if err != nil {
			h.try("look who waits for an answer", err)
			return
		}
		if len(all) > 0 {
			t := all[0]
			h.call(a.Key, chat.Wake{
				Reason: chat.WakeThread, Channel: t.Channel, Thread: t.Thread, Message: t.Last, Untrusted: t.Untrusted,
			})
		}
	}
}
