package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/githubstub"
	"fleet/schemas/chat"
)

// What comes while the daemon is down is told at its next start, once, from the mark on; also if nothing came before.
func TestResume(t *testing.T) {
	for name, before := range map[string]func(l *lab){
		"after nothing":   func(*lab) {},
		"after a task":    func(l *lab) { l.Open("ann", "Fix it", "", "fleet:todo") },
		"after a message": func(l *lab) { l.Say("ann", 1, "Good morning.") },
		"after both":      func(l *lab) { l.Open("ann", "Fix it", "", "fleet:todo"); l.Say("ann", 2, "Please.") },
	} {
		bubble(t, name, func(t *testing.T, l *lab) {
			in := newInbox()
			stop := l.run(l.host(), in)
			settled()
			before(l)
			settled()
			stop()
			in.take()

			l.Say("ann", 1, "Where are you?")
			time.Sleep(50 * time.Hour)
			want := []string{"post general ann: Where are you?"}
			if l.Issues() == 2 {
				l.Label("bob", 2, "fleet:blocked")
				l.Unlabel("bob", 2, "fleet:todo")
				want = append([]string{"update tasks bob?: [blocked] Fix it"}, want...)
			}
			for n := range 250 {
				if n < 200 {
					time.Sleep(time.Minute)
				}
				l.Say("ann", 1, fmt.Sprint(n))
				want = append(want, fmt.Sprintf("post general ann: %d", n))
			}
			time.Sleep(time.Hour)
			from := l.Requests()
			l.Fault = func(_ *http.Request, n int) githubstub.Fault {
				if n < from+25 {
					return githubstub.Shifted
				}
				return githubstub.None
			}
			for range 2 {
				stop = l.run(l.host(), in)
				settled()
				stop()
				if d := cmp.Diff(want, in.told()); d != "" {
					t.Error(d)
				}
				want = []string{}
			}
		})
	}
}

// What the hub could not store is handed over again, before anything after it.
func TestInboxRefuses(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		in := newInbox()
		refused := 0
		in.refuse = func(e backend.Event) error {
			if e.Text == "two" && refused < 3 {
				refused++
				return errors.New("no space left on device")
			}
			return nil
		}
		stop := l.run(l.host(), in)
		settled()
		for _, text := range []string{"one", "two", "three"} {
			l.Say("ann", 1, text)
		}
		settled()
		stop()
		want := []string{"post general ann: one", "post general ann: two", "post general ann: three"}
		if d := cmp.Diff(want, in.told()); d != "" || refused != 3 {
			t.Errorf("refused %d times: %s", refused, d)
		}
	})
}

// Whatever goes wrong with whichever request, all is told, each channel's in its order.
func TestRunOnce(t *testing.T) {
	t.Run("at the start", func(t *testing.T) {
		faulty(t, 16, func(t *testing.T, l *lab, _ func()) { runOnce(t, l, func() {}) })
	})
	t.Run("later", func(t *testing.T) { faulty(t, 16, runOnce) })
}

func runOnce(t *testing.T, l *lab, arm func()) {
	in := newInbox()
	stop := l.run(l.host(), in)
	time.Sleep(l.enough)
	arm()
	task := l.Open("ann", "Fix it", "", "fleet:todo")
	l.Say("ann", 1, "one")
	time.Sleep(9 * time.Second)
	l.Say("ann", task, "two")
	l.Label("bob", task, "fleet:blocked")
	time.Sleep(9 * time.Second)
	l.Say("ann", task, "three")
	time.Sleep(l.enough)
	stop()
	want := map[string][]string{
		chat.General: {"post general ann: one"},
		chat.Tasks:   {"create tasks ann: Fix it", "post tasks ann: two", "post tasks ann: three"},
	}
	got := map[string][]string{}
	var state backend.State
	for _, e := range in.take() {
		if e.Kind != backend.Post {
			state = e.Task.State
		}
		if e.Kind != backend.Update {
			got[e.Channel] = append(got[e.Channel], strings.Replace(line(e), fmt.Sprintf("[%s] ", e.Task.State), "", 1))
		}
	}
	if d := cmp.Diff(want, got); d != "" || state != backend.Blocked {
		t.Errorf("it is %s: %s", state, d)
	}
}

// Messages of more pages than one, many in the same second, that come while they are read.
func TestFlood(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		in := newInbox()
		stop := l.run(l.host(), in)
		settled()
		n := 0
		l.Set(func(s *githubstub.Server) {
			s.Fault = func(r *http.Request, _ int) githubstub.Fault {
				if !strings.HasSuffix(r.URL.Path, "/issues/comments") || n > 700 {
					return githubstub.None
				}
				for range 130 {
					l.Say("ann", 1, fmt.Sprint(n))
					n++
				}
				return githubstub.Shifted
			}
		})
		settled()
		stop()
		want := []string{}
		for i := range n {
			want = append(want, fmt.Sprintf("post general ann: %d", i))
		}
		if d := cmp.Diff(want, in.told()); d != "" {
			t.Error(d)
		}
	})
}

// While nothing happens, looking costs nothing of the hourly limit, and is seldom.
func TestIdle(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		in := newInbox()
		l.Open("ann", "Fix it", "", "fleet:todo")
		stop := l.run(l.host(), in)
		settled()
		l.Say("ann", 1, "Hi.")
		settled()
		cost, requests := l.Cost(fleetToken), l.Requests()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if l.Cost(fleetToken) != cost || l.Requests()-requests > 70 || l.Requests()-requests < 50 {
			t.Errorf("%d requests cost %d", l.Requests()-requests, l.Cost(fleetToken)-cost)
		}
		stop()
	})
}

// An outage is told once, and that it is over; what was written waits, and nothing is lost.
func TestOutage(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b, in := l.host(), newInbox()
		stop := l.run(b, in)
		settled()
		l.Set(func(s *githubstub.Server) {
			s.Fault = func(_ *http.Request, n int) githubstub.Fault {
				return []githubstub.Fault{githubstub.Down, githubstub.Unsent, githubstub.Garbage}[n%3]
			}
		})
		e := backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Author: atlas, Text: "Hi.", Time: time.Now()}
		for range 3 {
			_, err := b.Do(t.Context(), e)
			mustBeLater(t, err)
			time.Sleep(time.Hour)
		}
		l.Say("ann", 1, "Are you there?")
		l.Set(func(s *githubstub.Server) { s.Fault = nil })
		done(t, b, e)
		settled()
		stop()
		if d := cmp.Diff([]string{"post general ann: Are you there?", "post general Atlas echo: Hi."}, in.told()); d != "" {
			t.Error(d)
		}
		for _, told := range []string{"cannot see what is new", "answers again"} {
			if n := strings.Count(l.log.String(), told); n != 1 {
				t.Errorf("told %d times: %s", n, told)
			}
		}
	})
}
