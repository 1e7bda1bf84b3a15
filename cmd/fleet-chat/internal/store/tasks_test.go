package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/schemas/chat"
)

func makeTask(t testing.TB, s *Store, title, assignee string) chat.Task {
	t.Helper()
	made, _, err := s.CreateTask(chat.Task{
		Title: title, State: chat.Todo, Assignee: assignee, From: alice, Created: noon, Updated: noon,
	}, "", false, Notice{Text: "created"})
	check(t, err)
	return made
}

func claim(s *Store, number int64, key string) (chat.Task, error) {
	return s.ClaimTask(number, key, Change{By: agent(key), Time: noon}, Notice{Text: "claimed"})
}

func titles(all []chat.Task) []string {
	out := []string{}
	for _, t := range all {
		out = append(out, t.Title)
	}
	return out
}

func TestClaimTask(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	makeTask(t, s, "one", "")
	makeTask(t, s, "two", "worker")
	makeTask(t, s, "three", "")
	if got, err := claim(s, 1, "lead"); err != nil || got.State != chat.InProgress || got.Assignee != "lead" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := claim(s, 1, "lead"); err != nil || got.Assignee != "lead" { // again
		t.Errorf("%v, %v", got, err)
	}
	for number, want := range map[int64]string{
		1: "task 1 is in_progress, of lead",
		2: "task 2 is meant for worker",
		9: "there is no task 9",
	} {
		key := "hermit"
		_, err := claim(s, number, key)
		var refused Refused
		if !errors.As(err, &refused) || err.Error() != want {
			t.Errorf("%d: %v, want %q", number, err, want)
		}
	}
	if got, err := claim(s, 0, "lead"); err != nil || got.Number != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := claim(s, 0, "worker"); err != nil || got.Number != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := claim(s, 0, "worker"); !errors.Is(err, ErrNoTask) {
		t.Errorf("%v", err)
	}
	// What was told about it: a claim that changed nothing is not told.
	all, _, err := s.History("tasks", "task-1", 0, few)
	check(t, err)
	if d := cmp.Diff([]string{"created", "claimed"}, texts(all)); d != "" {
		t.Error(d)
	}
}

func TestTasksByState(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	for i := range 6 {
		makeTask(t, s, fmt.Sprint(i+1), "")
	}
	set := func(number int64, state, assignee string) {
		_, err := s.ChangeTask(number, Change{By: alice, Time: noon.Add(time.Hour)}, func(t *chat.Task) (Notice, error) {
			t.State, t.Assignee = state, assignee
			return Notice{}, nil
		})
		check(t, err)
	}
	set(2, chat.InProgress, "lead")
	set(3, chat.Blocked, "worker")
	set(4, chat.Done, "lead")
	set(5, chat.InProgress, "worker")
	set(5, chat.Todo, "")
	for _, c := range []struct {
		f    Filter
		want []string
		more bool
	}{
		{Filter{Limit: 10}, []string{"2", "3", "1", "5", "6"}, false},
		{Filter{Limit: 2}, []string{"2", "3"}, true},
		{Filter{Limit: 10, Assignee: "lead"}, []string{"2"}, false},
		{Filter{Limit: 10, States: []string{chat.Done}}, []string{"4"}, false},
		{Filter{Limit: 10, States: []string{chat.Todo}, After: 1}, []string{"5", "6"}, false},
	} {
		all, more, err := s.Tasks(c.f)
		check(t, err)
		if d := cmp.Diff(c.want, titles(all)); d != "" || more != c.more {
			t.Errorf("%v: %s %t", c.f, d, more)
		}
	}
	if got, err := s.Task(2); err != nil || got.Updated != noon.Add(time.Hour) || got.Created != noon {
		t.Errorf("%v, %v", got, err)
	}
}

// A claim's ID stays the same until the task is to do again.
func TestClaimIDs(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	makeTask(t, s, "one", "")
	id := func(key string) string {
		got, err := s.ClaimID(1, key)
		check(t, err)
		return got
	}
	first := id("lead")
	if len(first) != 26 || id("lead") != first || id("worker") == first {
		t.Errorf("got %q, %q, %q", first, id("lead"), id("worker"))
	}
	if _, err := claim(s, 1, "lead"); err != nil || id("lead") != first {
		t.Error(err)
	}
	_, err := s.ChangeTask(1, Change{By: alice, Time: noon}, func(t *chat.Task) (Notice, error) {
		t.State, t.Assignee = chat.Todo, ""
		return Notice{}, nil
	})
	check(t, err)
	if id("lead") == first {
		t.Error("the claim of before is used again")
	}
}

// 200 agents over 10,000 tasks: each is claimed once, none is lost.
func TestClaimRace(t *testing.T) {
	const agents, tasks = 200, 10_000
	c := sample()
	c.Limits.KeepMessages = 100
	s := open1(t, t.TempDir(), c)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range tasks / 100 {
				makeTask(t, s, "x", "")
			}
		})
	}
	wg.Wait()
	mine := make([][]int64, agents)
	for i := range agents {
		wg.Go(func() {
			for {
				got, err := claim(s, 0, fmt.Sprint("agent-", i))
				if errors.Is(err, ErrNoTask) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mine[i] = append(mine[i], got.Number)
			}
		})
	}
	wg.Wait()
	owner := map[int64]int{}
	for i, numbers := range mine {
		for _, n := range numbers {
			if other, twice := owner[n]; twice {
				t.Fatalf("task %d is of agents %d and %d", n, other, i)
			}
			owner[n] = i
		}
	}
	if len(owner) != tasks {
		t.Fatalf("%d were claimed", len(owner))
	}
	for n, i := range owner {
		if got, err := s.Task(n); err != nil || got.Assignee != fmt.Sprint("agent-", i) || got.State != chat.InProgress {
			t.Fatalf("%v, %v, want agent %d", got, err, i)
		}
	}
}

// All want the same tasks at once.
func TestClaimRaceForOneTask(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	for n := range int64(20) {
		makeTask(t, s, "x", "")
		won := make(chan string, 50)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				key := fmt.Sprint("agent-", i)
				got, err := claim(s, n+1, key)
				var refused Refused
				if err == nil && got.Assignee == key {
					won <- key
				} else if !errors.As(err, &refused) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d won", len(won))
		}
	}
}

// Where people read along at another place than before, the open tasks are shown there: once each, as they stand.
func TestOpenTasksMove(t *testing.T) {
	dir, there := t.TempDir(), sample()
	s := open1(t, dir, there)
	for _, title := range []string{"done", "begun", "to do", "another host's"} {
		from := agent("lead")
		if title == "another host's" {
			from = chat.Author{Kind: chat.KindPerson, ID: "bot", Bot: true}
		}
		_, _, err := s.CreateTask(chat.Task{Title: title, State: chat.Todo, From: from, Created: noon}, "", false, Notice{})
		check(t, err)
	}
	for number, state := range map[int64]string{1: chat.Done, 2: chat.InProgress} {
		_, err := s.ChangeTask(number, Change{By: agent("lead"), Time: noon}, func(t *chat.Task) (Notice, error) {
			t.State = state
			return Notice{}, nil
		})
		check(t, err)
	}
	for _, at := range [][2]string{{"a/one", "fleet"}, {"a/two", "fleet"}, {"a/two", "other"}, {"a/two", ""}, {"a/two", "fleet"}} {
		there.Backend = chat.Backend{Kind: chat.GitHub, Repo: at[0]}
		there.Channels[3].ID = at[1]
		for start := range 3 {
			check(t, s.Close())
			s = open1(t, dir, there)
			if start == 0 {
				continue // killed before it has shown anything
			}
			var got []string
			for {
				p, err := s.Next(chat.Tasks)
				check(t, err)
				if p == nil {
					break
				}
				got = append(got, fmt.Sprint(p.Effect.Kind, " ", p.Effect.Task.Title, " ", p.Effect.Task.State, " ", p.Gone))
				check(t, s.Settle(chat.Tasks, p, backend.Ref(fmt.Sprint(at, p.Number))))
			}
			want := []string{"create begun in_progress ", "create to do todo "}
			if start == 2 || at[1] == "" {
				want = nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, start %d: %s", at, start, d)
			}
		}
		if ref, waits, err := s.TaskRef(3); waits || err != nil || strings.HasPrefix(string(ref), fmt.Sprint(at)) != (at[1] != "") {
			t.Errorf("%s, %t, %v", ref, waits, err)
		}
	}
}
