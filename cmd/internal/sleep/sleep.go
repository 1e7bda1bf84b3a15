// Package sleep waits for a time that a context can end.
package sleep

import (
	"context"
	"time"
)

// For waits for d, or until ctx has ended, whose error it then returns. It does not wait where d is not above zero.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err() // and no timer, whose channel could be chosen before that of ctx
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
