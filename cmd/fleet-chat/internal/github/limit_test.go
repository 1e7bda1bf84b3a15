package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/internal/githubstub"
)

// However much there is to write, it is written at the pace that GitHub asks for. The stand-in has the rules.
func TestPace(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		began := time.Now()
		for n := range 100 {
			done(t, b, backend.Effect{ID: id(n), Kind: backend.Post, Channel: "general", Author: atlas, Text: fmt.Sprint(n)})
		}
		if len(l.Issue(1).Comments) != 100 || time.Since(began) > 3*time.Minute {
			t.Errorf("%d after %s", len(l.Issue(1).Comments), time.Since(began))
		}
	})
}

// Several agents at once with one account write one after the other, with two of them at the same time.
func TestAtOnce(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		l.Latency = 50 * time.Millisecond
		b := l.host()
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				by := atlas
				if n%2 == 0 {
					by = scout
				}
				done(t, b, backend.Effect{ID: id(n), Kind: backend.Post, Channel: "general", Author: by, Text: fmt.Sprint(n)})
			})
		}
		all.Wait()
		if len(l.Issue(1).Comments) != 20 {
			t.Errorf("%d are there", len(l.Issue(1).Comments))
		}
	})
}

// A limit that is reached is told with how long it lasts, however wrong this host's clock is, and kept by all.
func TestLimits(t *testing.T) {
	for _, skew := range []time.Duration{0, -30 * time.Hour, 30 * time.Hour} {
		for fault, want := range map[githubstub.Fault]time.Duration{
			githubstub.TooMany: 7 * time.Second, githubstub.Secondary: 7 * time.Second,
			githubstub.Unsaid: time.Minute, githubstub.Exhausted: time.Hour,
		} {
			bubble(t, fmt.Sprintf("%s, %s ahead", fault, skew), func(t *testing.T, l *lab) {
				l.Skew = skew
				b := l.host()
				post := func(n int) backend.Effect {
					return backend.Effect{
						ID: id(n), Kind: backend.Post, Channel: "general", Author: atlas, Text: "a", Time: time.Now(),
					}
				}
				done(t, b, post(1))
				l.Set(func(s *githubstub.Server) {
					s.Fault = func(*http.Request, int) githubstub.Fault { return fault }
				})
				began := time.Now()
				_, err := b.Do(t.Context(), post(2))
				l.Set(func(s *githubstub.Server) { s.Fault = nil })
				var later *backend.Later
				if !errors.As(err, &later) || later.After > want+2*time.Second || later.After < want-10*time.Second {
					t.Fatalf("got %+v, %v", later, err)
				}
				requests := l.Requests()
				if _, err := b.Do(t.Context(), post(3)); err == nil || l.Requests() != requests {
					t.Errorf("asked before the end of the wait: %v", err)
				}
				done(t, b, post(2))
				if d := time.Since(began); d > want+5*time.Second {
					t.Errorf("it took %s", d)
				}
			})
		}
	}
}

// Limits that do not tell how long they last make for longer and longer waits.
func TestStrikes(t *testing.T) {
	bubble(t, "", func(t *testing.T, l *lab) {
		b := l.host()
		e := backend.Effect{ID: id(1), Kind: backend.Post, Channel: "general", Author: atlas, Text: "a", Time: time.Now()}
		l.Set(func(s *githubstub.Server) {
			s.Fault = func(*http.Request, int) githubstub.Fault { return githubstub.Unsaid }
		})
		var waits []time.Duration
		for range 7 {
			_, err := b.Do(t.Context(), e)
			var later *backend.Later
			if !errors.As(err, &later) {
				t.Fatal(err)
			}
			waits = append(waits, later.After.Round(time.Minute))
			time.Sleep(later.After)
		}
		if got := fmt.Sprint(waits); got != "[1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 32m0s]" {
			t.Errorf("got %s", got)
		}
		l.Set(func(s *githubstub.Server) { s.Fault = nil })
		done(t, b, e)
	})
}
