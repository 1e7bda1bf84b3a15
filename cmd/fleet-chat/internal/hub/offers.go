package hub

import (
	"sync"
	"time"

	"fleet/schemas/chat"
)

// A task that is for anybody is offered to one agent, then to two more, then to four: were all woken at once, all but one
// would begin a session for nothing.

// offerTime is how long agents have to claim a task before it is offered to more.
const offerTime = 30 * time.Second

// offers are the tasks that are offered.
type offers struct {
	mu   sync.Mutex
	open map[int64]*offer // by the task's number
	next int              // index of the agent that is offered something next
}

// offer is one task.
type offer struct {
	wake   chat.Wake
	maker  string // the agent that has made it
	last   time.Time
	asked  int // agents so far
	at     int // index of the next agent
	double int // how many are asked next
}

// offer offers a task that is to do and for anybody.
func (h *Hub) offer(t *chat.Task, by chat.Author) {
	o := &offer{wake: wakeFor(t), double: 1}
	if by.Kind == chat.KindAgent {
		o.maker = by.ID
	}
	h.offers.mu.Lock()
	defer h.offers.mu.Unlock()
	o.at = h.offers.next
	h.offers.open[t.Number] = o
	h.ask(o)
	h.offers.next = o.at
}

// ask wakes the next agents. offers.mu is held.
func (h *Hub) ask(o *offer) {
	o.last = time.Now()
	for n := 0; n < o.double && o.asked < len(h.config.Agents); o.asked++ {
		key := h.config.Agents[o.at%len(h.config.Agents)].Key
		o.at++
		if key != o.maker && h.agents[key].Sees(chat.Tasks) && h.wake.Wakes(key) {
			h.call(key, o.wake)
			n++
		}
	}
	o.double *= 2
}

// offerAgain offers tasks that nobody has claimed in time to more agents.
func (h *Hub) offerAgain() {
	h.offers.mu.Lock()
	defer h.offers.mu.Unlock()
	for number, o := range h.offers.open {
		if time.Since(o.last) < offerTime {
			continue
		}
		t, err := h.store.Task(number)
		if err != nil || t.State != chat.Todo || t.Assignee != "" || o.asked >= len(h.config.Agents) {
			delete(h.offers.open, number)
			continue
		}
		h.ask(o)
	}
}
