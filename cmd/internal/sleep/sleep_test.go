package sleep

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	for name, c := range map[string]struct {
		d, limit, took time.Duration
		err            error
	}{
		"a while":      {time.Minute, time.Hour, time.Minute, nil},
		"no time":      {0, time.Hour, 0, nil},
		"long ago":     {math.MinInt64, time.Hour, 0, nil},
		"ended before": {time.Hour, time.Minute, time.Minute, context.DeadlineExceeded},
		"has ended":    {0, -1, 0, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				begin := time.Now()
				if err := For(ctx, c.d); !errors.Is(err, c.err) || time.Since(begin) != c.took {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(begin), c.err, c.took)
				}
			})
		})
	}
}
