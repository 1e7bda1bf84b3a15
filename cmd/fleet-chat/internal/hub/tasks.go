package hub

import (
	"slices"
	"strconv"

	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/schemas/chat"
)

// maxTitle is how many characters a task's title may have: as many as that of an issue at GitHub.
const maxTitle = 256

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// NewTask is a task that is to be made.
type NewTask struct {
	Title, Body string
	Assignee    string // the agent that it is meant for, "" is anybody
	Key         string // what its author has made with the same key before is not made again
}

// TaskChange is what becomes of a task. What is nil stays.
type TaskChange struct {
	State, Assignee, Title, Body *string
	Note                         string // said in the task's thread
}

func (h *Hub) createTask(by chat.Author, in NewTask) (chat.Task, error) {
	title, err := h.title(in.Title)
	if err != nil {
		return chat.Task{}, err
	}
	body, err := h.maybe("body", in.Body)
	if err != nil {
		return chat.Task{}, err
	}
	now := h.time()
	t := chat.Task{
		Title: title, Body: body, State: chat.Todo, Assignee: in.Assignee, From: by, Created: now, Updated: now,
		Untrusted: by.Untrusted,
	}
	n := store.Notice{Text: "created the task: " + title}
	if h.agents[in.Assignee] != nil {
		n.To = []string{in.Assignee}
	}
	made, again, err := h.store.CreateTask(t, in.Key, h.shows(chat.Tasks), n)
	if err == nil && !again {
		h.changed(nil, &made, by)
	}
	return made, err
}

func (h *Hub) title(s string) (string, error) {
	s = clean.Line(s, maxTitle+1)
	switch n := len([]rune(s)); {
	case n == 0:
		return "", refuse("title must not be empty")
	case n > maxTitle:
		return "", refuse("title must have at most %d characters: put the rest into the body", maxTitle)
	}
	return s, nil
}

// changed tells of a task that is new or has changed.
func (h *Hub) changed(was, is *chat.Task, by chat.Author) {
	h.news.ring()
	h.outbox.queue(chat.Tasks)
	fresh := was == nil || was.Assignee != is.Assignee || was.State != is.State
	if !fresh || is.State == chat.Done {
		return
	}
	itself := by.Kind == chat.KindAgent && by.ID == is.Assignee
	if a := h.agents[is.Assignee]; a != nil && a.Sees(chat.Tasks) && !itself {
		h.call(is.Assignee, wakeFor(is))
	}
	if is.Assignee == "" && is.State == chat.Todo {
		h.offer(is, by)
	}
}

func wakeFor(t *chat.Task) chat.Wake {
	return chat.Wake{
		Reason: chat.WakeTask, Channel: chat.Tasks, Thread: store.TaskThread(t.Number), Task: t.Number,
		Untrusted: t.Untrusted,
	}
}

// updateTask changes a task if may, which may be nil, allows it.
func (h *Hub) updateTask(by chat.Author, number int64, c TaskChange, may func(t *chat.Task) error) (chat.Task, error) {
	note, err := h.checkChange(&c)
	if err != nil {
		return chat.Task{}, err
	}
	var was chat.Task
	told := false
	change := store.Change{By: by, Time: h.time(), Show: h.shows(chat.Tasks)}
	is, err := h.store.ChangeTask(number, change, func(t *chat.Task) (store.Notice, error) {
		was = *t
		if may != nil {
			if err := may(t); err != nil {
				return store.Notice{}, err
			}
		}
		set(&t.Title, c.Title)
		set(&t.Body, c.Body)
		set(&t.Assignee, c.Assignee)
		set(&t.State, c.State)
		if t.State == chat.Todo && was.State != chat.Todo && c.Assignee == nil {
			t.Assignee = "" // given back
		}
		if t.State == chat.InProgress && t.Assignee == "" {
			return store.Notice{}, refuse("task %d is of nobody: it is in progress when somebody has claimed it", number)
		}
		n := store.Notice{Text: store.Told(&was, t)}
		if note != "" {
			n.Text, n.Show = n.Text+"\n\n"+note, h.shows(chat.Tasks)
		}
		if h.agents[t.Assignee] != nil && t.Assignee != was.Assignee {
			n.To = []string{t.Assignee}
		}
		told = *t != was
		return n, nil
	})
	if err != nil {
		return is, err
	}
	if told {
		h.changed(&was, &is, by)
	} else if note != "" {
		_, err = h.say(by, saying{channel: chat.Tasks, thread: store.TaskThread(number), text: note})
	}
	return is, err
}

func set(s, to *string) {
	if to != nil {
		*s = *to
	}
}

// checkChange cleans what is to be changed, and returns the note.
func (h *Hub) checkChange(c *TaskChange) (note string, err error) {
	if c.Title != nil {
		title, err := h.title(*c.Title)
		if err != nil {
			return "", err
		}
		c.Title = &title
	}
	if c.Body != nil {
		body, err := h.maybe("body", *c.Body)
		if err != nil {
			return "", err
		}
		c.Body = &body
	}
	if c.State != nil && !slices.Contains(chat.States, *c.State) {
		return "", refuse("state must be one of %q, is %.32q", chat.States, *c.State)
	}
	return h.maybe("note", c.Note)
}

// Tasks lists tasks; more tells that there are more.
func (a *Agent) Tasks(f store.Filter) (all []chat.Task, more bool, err error) {
	if err := a.see(chat.Tasks); err != nil {
		return nil, false, err
	}
	return a.h.store.Tasks(f)
}

// Task returns one.
func (a *Agent) Task(number int64) (chat.Task, error) {
	if err := a.see(chat.Tasks); err != nil {
		return chat.Task{}, err
	}
	return a.h.store.Task(number)
}

// assignee refuses who cannot have a task.
func (a *Agent) assignee(key string) error {
	if key == "" {
		return nil
	}
	if other := a.h.agents[key]; other == nil || !other.Sees(chat.Tasks) {
		return refuse("there is no agent %.64q that has tasks", key)
	}
	return nil
}

// CreateTask makes a task.
func (a *Agent) CreateTask(in NewTask) (chat.Task, error) {
	if err := a.see(chat.Tasks); err != nil {
		return chat.Task{}, err
	}
	if err := a.assignee(in.Assignee); err != nil {
		return chat.Task{}, err
	}
	if err := a.write(); err != nil {
		return chat.Task{}, err
	}
	return a.h.createTask(a.author(), in)
}

// UpdateTask changes a task that the agent has made or that is its own. Who it is not of may only note something.
func (a *Agent) UpdateTask(number int64, c TaskChange) (chat.Task, error) {
	if err := a.see(chat.Tasks); err != nil {
		return chat.Task{}, err
	}
	if c.Assignee != nil {
		if err := a.assignee(*c.Assignee); err != nil {
			return chat.Task{}, err
		}
	}
	if err := a.write(); err != nil {
		return chat.Task{}, err
	}
	return a.h.updateTask(a.author(), number, c, func(t *chat.Task) error {
		made := t.From.Kind == chat.KindAgent && t.From.ID == a.of.Key
		if c.State == nil && c.Assignee == nil && c.Title == nil && c.Body == nil || made || t.Assignee == a.of.Key {
			return a.take(t, &c)
		}
		who := t.Assignee
		if who == "" {
			who = "nobody: claim it"
		}
		return refuse("task %d is of %s; only who has it or made it can change it, others write in its thread", number, who)
	})
}

// take refuses to have a task in progress without a claim, by which one of several wins.
func (a *Agent) take(t *chat.Task, c *TaskChange) error {
	begins := c.State != nil && *c.State == chat.InProgress && (t.State == chat.Todo || t.State == chat.Done)
	if begins {
		return refuse("task %d is %s: claim it", t.Number, t.State)
	}
	if c.Assignee != nil && *c.Assignee != "" && *c.Assignee != t.Assignee && t.State == chat.InProgress &&
		(c.State == nil || *c.State == chat.InProgress) {
		return refuse("task %d is in progress: give it back with state %q for %s to claim", t.Number, chat.Todo, *c.Assignee)
	}
	return nil
}
