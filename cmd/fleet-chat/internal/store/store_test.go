package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/chat"
)

// noon is when nearly everything happens, after agents are new.
var noon = time.Now().UTC().Truncate(time.Hour).Add(2 * time.Hour)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is a chat with three agents, on this host alone.
func sample() *chat.Config {
	return &chat.Config{
		Version: 1, Project: "demo", Backend: chat.Backend{Kind: chat.Local},
		Channels: []chat.Channel{{Key: chat.Alerts}, {Key: chat.General}, {Key: chat.Lessons}, {Key: chat.Tasks}},
		Agents: []chat.Agent{
			{Key: "hermit", Stdio: "stdio-hermit", Channels: []string{}},
			{Key: "lead", Stdio: "stdio-lead"},
			{Key: "worker", Stdio: "stdio-worker"},
		},
		Limits: chat.Limits{
			Message: 16 << 10, PostsPerMinute: 1000, KeepMessages: 5000, KeepFor: "720h0m0s", KeepTasks: 1000, KeepLessons: 100,
		},
	}
}

func open1(t testing.TB, dir string, c *chat.Config) *Store {
	t.Helper()
	s, err := Open(dir, c)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func agent(key string) chat.Author { return chat.Author{Kind: chat.KindAgent, ID: key, Name: key} }

var alice = chat.Author{Kind: chat.KindPerson, ID: "U1", Name: "Alice"}

func post(t testing.TB, s *Store, from chat.Author, channel, text string) chat.Message {
	t.Helper()
	m, _, err := s.Post(NewMessage{Channel: channel, Time: noon, From: from, Text: text})
	check(t, err)
	return m
}

func texts(all []chat.Message) []string {
	out := []string{}
	for _, m := range all {
		out = append(out, m.Text)
	}
	return out
}

var few = Bounds{Messages: 10, Bytes: 1 << 20}

func unread(t *testing.T, s *Store, key string, channels ...string) ([]string, Positions, bool) {
	t.Helper()
	all, to, more, err := s.Unread(key, channels, few)
	check(t, err)
	return texts(all), to, more
}

// What was handed out is handed out again until it is acknowledged, over restarts too.
func TestReadAndAcknowledge(t *testing.T) {
	dir := t.TempDir()
	s := open1(t, dir, sample())
	post(t, s, agent("lead"), "general", "one")
	post(t, s, alice, "general", "two")
	post(t, s, alice, "tasks", "three")
	post(t, s, agent("worker"), "general", "mine")
	want := []string{"one", "two", "three"}
	for range 2 {
		got, to, more := unread(t, s, "worker", "general", "tasks")
		if d := cmp.Diff(want, got); d != "" || more {
			t.Error(d, more)
		}
		if d := cmp.Diff(Positions{"general": 3, "tasks": 1}, to); d != "" {
			t.Error(d)
		}
		check(t, s.Close())
		s = open1(t, dir, sample())
	}
	check(t, s.Acknowledge("worker", Positions{"general": 1}))
	got, to, _ := unread(t, s, "worker", "general", "tasks")
	if d := cmp.Diff([]string{"two", "three"}, got); d != "" {
		t.Error(d)
	}
	check(t, s.Acknowledge("worker", to))
	check(t, s.Acknowledge("worker", Positions{"general": 1})) // never back
	check(t, s.Close())
	s = open1(t, dir, sample())
	if got, _, _ := unread(t, s, "worker", "general", "tasks"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got, _, _ := unread(t, s, "lead", "general"); !slices.Equal(got, []string{"two", "mine"}) {
		t.Errorf("got %q", got)
	}
	for _, to := range []Positions{{"general": 4}, {"general": -1}, {"nowhere": 1}} {
		if err := s.Acknowledge("worker", to); err == nil {
			t.Errorf("%v was taken", to)
		}
	}
}

// An agent that has read everything need not read its own messages to stay so.
func TestOwnMessagesAreRead(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	post(t, s, agent("lead"), "general", "own")
	if n, err := s.Waiting("lead", "general"); n != 0 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	post(t, s, alice, "general", "other")
	post(t, s, agent("lead"), "general", "own again")
	if n, err := s.Waiting("lead", "general"); n != 2 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
}

// An agent that is new reads a little of what was said before it, and all that is said from then on.
func TestNewAgent(t *testing.T) {
	dir, c := t.TempDir(), sample()
	s := open1(t, dir, c)
	for i := range firstRead + 30 {
		n := NewMessage{Channel: "general", Time: noon.Add(-24 * time.Hour), From: alice, Text: fmt.Sprint(i)}
		_, _, err := s.Post(n)
		check(t, err)
	}
	check(t, s.Close())
	c.Agents = append(c.Agents, chat.Agent{Key: "zoe", Stdio: "stdio-zoe"})
	s = open1(t, dir, c)
	for range 100 {
		post(t, s, alice, "general", "new")
	}
	all, _, _, err := s.Unread("zoe", []string{"general"}, Bounds{Messages: 1000, Bytes: 1 << 20})
	check(t, err)
	if len(all) != firstRead+100 || all[0].Text != "30" {
		t.Errorf("%d, first %q", len(all), all[0].Text)
	}
}

func TestUnreadIsBounded(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	for i := range 30 {
		post(t, s, alice, "general", strings.Repeat("x", 10)+fmt.Sprint(i))
	}
	for most, want := range map[Bounds]int{
		{Messages: 7, Bytes: 1000}:  7,
		{Messages: 100, Bytes: 35}:  3,
		{Messages: 100, Bytes: 1}:   1, // never none
		{Messages: 100, Bytes: 999}: 30,
	} {
		all, to, more, err := s.Unread("lead", []string{"general"}, most)
		check(t, err)
		if len(all) != want || to["general"] != int64(want) || more != (want < 30) {
			t.Errorf("%v: %d, %v, %t", most, len(all), to, more)
		}
	}
	for range maxLooked + 10 {
		post(t, s, agent("lead"), "general", "own")
	}
	_, to, more, err := s.Unread("lead", []string{"general"}, Bounds{Messages: 100, Bytes: 9999})
	check(t, err)
	if !more || to["general"] == 0 {
		t.Errorf("%v, %t", to, more)
	}
}

// Messages of several channels are read in the order of time, and no channel is passed over.
func TestUnreadMergesByTime(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	for i, channel := range []string{"tasks", "general", "tasks", "alerts", "general"} {
		_, _, err := s.Post(NewMessage{Channel: channel, Time: noon.Add(time.Duration(i)), From: alice, Text: fmt.Sprint(i)})
		check(t, err)
	}
	got, _, _ := unread(t, s, "lead", "alerts", "general", "tasks")
	if d := cmp.Diff([]string{"0", "1", "2", "3", "4"}, got); d != "" {
		t.Error(d)
	}
}

// A post that is tried again is stored once.
func TestPostsWithAKey(t *testing.T) {
	dir := t.TempDir()
	s := open1(t, dir, sample())
	n := NewMessage{Channel: "general", Time: noon, From: agent("lead"), Text: "once", Key: "k"}
	first, again, err := s.Post(n)
	if err != nil || again {
		t.Fatal(again, err)
	}
	check(t, s.Close())
	s = open1(t, dir, sample())
	second, again, err := s.Post(n)
	if err != nil || !again || cmp.Diff(first, second) != "" {
		t.Errorf("%v, %t, %v", second, again, err)
	}
	n.From = agent("worker") // a key is its author's
	if m, again, err := s.Post(n); again || err != nil || m.Seq != 2 {
		t.Errorf("%v, %t, %v", m, again, err)
	}
}

func TestThreads(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	root := post(t, s, agent("lead"), "general", "root")
	say := func(from chat.Author, channel, thread, text string) error {
		_, _, err := s.Post(NewMessage{Channel: channel, Thread: thread, Time: noon, From: from, Text: text})
		return err
	}
	thread := messageThread(root.Seq)
	check(t, say(agent("worker"), "general", thread, "a"))
	post(t, s, alice, "general", "beside")
	check(t, say(alice, "general", thread, "b"))
	for _, wrong := range []string{"message-9", "message-01", "message-x", "task-1", "thread-1", "x", "message-1/../x"} {
		if err := say(alice, "general", wrong, "x"); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	if err := say(alice, "tasks", thread, "x"); err == nil {
		t.Error("a thread of another channel was taken")
	}
	all, more, err := s.History("general", thread, 0, few)
	check(t, err)
	if d := cmp.Diff([]string{"a", "b"}, texts(all)); d != "" || more {
		t.Error(d, more)
	}
}

func TestHistory(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	if all, _, err := s.History("general", "", 0, few); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	for i := range 25 {
		post(t, s, alice, "general", fmt.Sprint(i+1))
	}
	post(t, s, alice, "tasks", "other")
	all, more, err := s.History("general", "", 0, few)
	check(t, err)
	if len(all) != 10 || all[0].Seq != 16 || all[9].Seq != 25 || !more {
		t.Errorf("%q, %t", texts(all), more)
	}
	all, more, err = s.History("general", "", 8, few)
	check(t, err)
	if len(all) != 7 || all[0].Seq != 1 || more {
		t.Errorf("%q, %t", texts(all), more)
	}
	all, more, err = s.After("general", "", 20, Bounds{3, 1000})
	check(t, err)
	if d := cmp.Diff([]string{"21", "22", "23"}, texts(all)); d != "" || !more {
		t.Error(d, more)
	}
	for _, text := range []string{"a", "b", "c"} {
		_, _, err := s.Post(NewMessage{Channel: "general", Thread: "message-3", Time: noon, From: alice, Text: text})
		check(t, err)
		post(t, s, alice, "general", "beside")
	}
	all, more, err = s.After("general", "message-3", 26, few)
	check(t, err)
	if d := cmp.Diff([]string{"b", "c"}, texts(all)); d != "" || more {
		t.Error(d, more)
	}
}

// What is kept is bounded by number and by age, and nothing is left of what is dropped.
func TestRetention(t *testing.T) {
	c := sample()
	c.Limits.KeepMessages, c.Limits.KeepLessons, c.Limits.KeepTasks = 20, 10, 10
	s := open1(t, t.TempDir(), c)
	for i := range 50 {
		at := noon.Add(time.Duration(i) * time.Hour)
		for _, channel := range []string{"general", "lessons"} {
			_, _, err := s.Post(NewMessage{Channel: channel, Time: at, From: agent("lead"), Text: "x", Key: fmt.Sprint(channel, i)})
			check(t, err)
		}
		_, _, err := s.CreateTask(chat.Task{Title: "x", State: chat.Done, Created: at, Updated: at}, "", false, Notice{})
		check(t, err)
	}
	sizes := func() string {
		general, _, err := s.History("general", "", 0, Bounds{1000, 1 << 20})
		check(t, err)
		lessons, _, err := s.History("lessons", "", 0, Bounds{1000, 1 << 20})
		check(t, err)
		done, _, err := s.Tasks(Filter{States: []string{chat.Done}, Limit: 1000})
		check(t, err)
		return fmt.Sprint(len(general), len(lessons), len(done), entries(t, s, bKeys))
	}
	if got := sizes(); got != "20 10 10 30" {
		t.Errorf("got %s", got)
	}
	check(t, s.Sweep(noon.Add(48*time.Hour).Add(c.Age())))
	if got := sizes(); got != "2 10 2 12" {
		t.Errorf("got %s", got)
	}
	post(t, s, alice, "general", "next")
	if last, err := s.Last("general"); last != 51 || err != nil {
		t.Errorf("the next is %d, %v", last, err)
	}
}

// A limit that was lowered is reached at once where something is swept.
func TestLoweredLimit(t *testing.T) {
	dir, c := t.TempDir(), sample()
	s := open1(t, dir, c)
	for range 900 {
		post(t, s, alice, "general", "x")
	}
	check(t, s.Close())
	c.Limits.KeepMessages = 50
	s = open1(t, dir, c)
	check(t, s.Sweep(noon))
	all, _, err := s.History("general", "", 0, Bounds{1000, 1 << 20})
	if err != nil || len(all) != 50 || all[49].Seq != 900 {
		t.Errorf("%d, %v", len(all), err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	open1(t, dir, sample())
	names, err := filepath.Glob(dir + "/*")
	check(t, err)
	if d := cmp.Diff([]string{dir + "/chat.db"}, names); d != "" {
		t.Error(d)
	}
	if got := mode(t, dir+"/chat.db"); got != "-rw-------" {
		t.Errorf("got %s", got)
	}
}
