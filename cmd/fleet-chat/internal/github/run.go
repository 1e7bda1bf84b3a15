package github

import (
	"context"
	"errors"
	"time"

	"fleet/cmd/fleet-chat/internal/backend"
)

const (
	defaultMin, defaultMax = 5 * time.Second, time.Minute

	// leastPause is what GitHub must have in any case between two looks.
	leastPause = time.Second
)

func pauses(least, most time.Duration) (time.Duration, time.Duration) {
	if least <= 0 {
		least = defaultMin
	}
	if most <= 0 {
		most = defaultMax
	}
	least = max(least, leastPause)
	return least, max(least, most)
}

// Run is backend.Backend's. Its error is a Fault.
func (b *Backend) Run(ctx context.Context, in backend.Inbox) error {
	select {
	case old := <-b.faults:
		b.log.WithError(old).Debug("forgotten: it is of a time before this start")
	default:
	}
	w := newWatch(b, in)
	if len(w.keys) == 0 {
		b.log.Warn("nothing is shown at GitHub: no channel of coordination.channels has an identifier")
	}
	pause, failed := b.options.PollMin, time.Duration(0)
	for ctx.Err() == nil {
		n, err := w.look(ctx)
		var fault *Fault
		var later *backend.Later
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fault):
			return fault
		case err != nil:
			if failed == 0 {
				b.trouble(err)
			}
			failed = min(max(2*failed, leastPause), b.options.PollMax)
			pause = failed
			if errors.As(err, &later) {
				pause = max(pause, later.After)
			}
		default:
			if failed > 0 {
				b.trouble(nil)
				pause = b.options.PollMin
			}
			failed = 0
			pause = min(pause+pause/2, b.options.PollMax)
			if n > 0 || b.busy.Swap(false) {
				pause = b.options.PollMin
			}
		}
		if err := b.rest(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// trouble tells people what keeps Run from seeing what is new, once.
func (b *Backend) trouble(err error) {
	if err == nil {
		b.log.Info("GitHub answers again")
		return
	}
	b.log.WithError(err).Warn("cannot see what is new at GitHub: it is tried again")
}

// rest waits, but not when Do has met a fault.
func (b *Backend) rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case err := <-b.faults:
		return err
	}
	return nil
}
