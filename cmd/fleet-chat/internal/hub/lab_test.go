package hub

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/control"
	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/fleet-chat/internal/wake"
	"fleet/schemas/chat"
)

var _ control.Hub = Operators{}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lab is one host with a hub, which can be restarted.
type lab struct {
	*Hub
	t      testing.TB
	dir    string
	config *chat.Config
	far    backend.Backend
	ended  func()

	mu  sync.Mutex
	now time.Time
}

// sample is a chat with four agents, of which one sees nothing and one only its own channel.
func sample() *chat.Config {
	return &chat.Config{
		Version: 1, Project: "demo", Backend: chat.Backend{Kind: chat.Local},
		Channels: []chat.Channel{
			{Key: chat.Alerts}, {Key: "cell"}, {Key: chat.General}, {Key: "lead"}, {Key: chat.Lessons}, {Key: chat.Tasks},
		},
		Agents: []chat.Agent{
			{Key: "cell", Stdio: "stdio-cell", Channels: []string{"cell"}, Channel: "cell"},
			{Key: "hermit", Stdio: "stdio-hermit", Channels: []string{}},
			{Key: "lead", Name: "The Lead", Stdio: "stdio-lead", Channel: "lead"},
			{Key: "worker", Stdio: "stdio-worker"},
		},
		Limits: chat.Limits{
			Message: 4096, PostsPerMinute: 1000, KeepMessages: 5000, KeepFor: "720h0m0s", KeepTasks: 1000, KeepLessons: 100,
		},
	}
}

// newLab starts a hub. far is nil for a chat on this host alone.
func newLab(t testing.TB, c *chat.Config, far backend.Backend) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), config: c, far: far, now: time.Now().UTC().Truncate(time.Second).Add(time.Hour)}
	for i := range c.Agents {
		c.Agents[i].Wake = filepath.Join(l.dir, "wake-"+c.Agents[i].Key)
		check(t, os.Mkdir(c.Agents[i].Wake, 0o755))
	}
	l.start()
	t.Cleanup(func() { l.ended() })
	return l
}

func (l *lab) start() {
	l.t.Helper()
	s, err := store.Open(l.dir, l.config)
	check(l.t, err)
	log := logrus.New()
	log.SetOutput(io.Discard)
	l.Hub = New(Options{Config: l.config, Store: s, Backend: l.far, Wake: wake.New(l.config), Log: log, Now: l.clock})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	l.ended = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("the hub ended: %v", err)
		}
		check(l.t, s.Close())
	})
}

func (l *lab) restart() {
	l.t.Helper()
	l.ended()
	l.start()
}

func (l *lab) clock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(time.Millisecond)
	return l.now
}

func (l *lab) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// wakes returns what woke an agent since the last look.
func (l *lab) wakes(agent string) (all []chat.Wake) {
	l.t.Helper()
	dir := filepath.Join(l.dir, "wake-"+agent)
	names, err := filepath.Glob(dir + "/[0-9]*")
	check(l.t, err)
	sort.Slice(names, func(i, j int) bool { return num(names[i]) < num(names[j]) })
	for _, name := range names {
		var w chat.Wake
		b, err := os.ReadFile(name)
		check(l.t, err)
		check(l.t, json.Unmarshal(b, &w))
		check(l.t, os.Remove(name))
		all = append(all, w)
	}
	return all
}

func num(path string) int64 {
	n, _ := strconv.ParseInt(filepath.Base(path), 10, 64)
	return n
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

var alice = chat.Author{Kind: chat.KindPerson, ID: "local", Name: "alice"}

func texts(all []chat.Message) []string {
	out := []string{}
	for _, m := range all {
		out = append(out, m.Text)
	}
	return out
}

// said returns what was said in a place.
func (l *lab) said(channel, thread string) []string {
	l.t.Helper()
	all, _, err := l.store.History(channel, thread, 0, store.Bounds{Messages: 1000, Bytes: 1 << 20})
	check(l.t, err)
	return texts(all)
}
