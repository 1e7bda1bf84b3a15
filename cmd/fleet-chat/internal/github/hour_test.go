package github

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
)

// Of changes there are never more than 500 in an hour, and never two within a second; who asks for more is told how
// long that lasts. Other requests go on.
func TestHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit()
		var at []time.Time
		refused := 0
		for len(at) < 1200 {
			var later *backend.Later
			switch err := l.enter(t.Context(), true); {
			case errors.As(err, &later):
				refused++
				if err := l.enter(t.Context(), false); err != nil {
					t.Fatal(err)
				}
				l.leave(false)
				time.Sleep(later.After)
			case err != nil:
				t.Fatal(err)
			default:
				at = append(at, time.Now())
				time.Sleep(100 * time.Millisecond)
				l.leave(true)
			}
		}
		for n := range at {
			if n > 0 && at[n].Sub(at[n-1]) < time.Second+100*time.Millisecond {
				t.Fatalf("change %d is %s after the one before", n, at[n].Sub(at[n-1]))
			}
			if n >= 500 && at[n].Sub(at[n-500]) < time.Hour {
				t.Fatalf("change %d makes more than 500 in %s", n, at[n].Sub(at[n-500]))
			}
		}
		if refused == 0 {
			t.Error("none was refused")
		}
	})
}
