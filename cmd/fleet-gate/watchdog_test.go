package main

import "testing"

// EGR-E22: systemd gets signs of life as long as connections are taken, and none when that hangs.
func TestE22Watchdog(t *testing.T) {
	h := newHost(t)
	h.Env = []string{"WATCHDOG_USEC=150000"}
	h.start()
	for range 3 {
		h.Said("WATCHDOG=1")
	}
}
