package main

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"fleet/cmd/fleet-gate/internal/names"
)

// beats is how many signs of life systemd gets in WatchdogSec=.
const beats = 3

// watchdog tells systemd that the gate lives as long as it does, where the unit has WatchdogSec=.
func (g *gate) watchdog(ctx context.Context) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		g.log.WithError(err).Error("systemd's watchdog gets no signs of life")
	}
	if limit > 0 {
		beat(ctx, limit/beats, g.alive, func() { notify("WATCHDOG=1") })
	}
}

// beat calls sign as often as every tells while alive, which may hang, returns true in time.
func beat(ctx context.Context, every time.Duration, alive func(limit time.Duration) bool, sign func()) {
	answers := make(chan bool, 1)
	asked := false
	for tick := time.Tick(every); ; {
		if !asked {
			asked = true
			go func() { answers <- alive(every) }()
		}
		select {
		case <-ctx.Done():
			return
		case ok := <-answers:
			asked = false
			if ok {
				sign()
			}
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
		}
	}
}

// alive tells whether connections are taken and decided on; it hangs where that does.
func (g *gate) alive(limit time.Duration) bool {
	if w, ok := g.judge.Watch(func() {}); ok {
		w.Done()
	}
	g.names.Name(names.Self)
	return g.server.Alive(limit)
}
