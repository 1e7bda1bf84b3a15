package main

import (
	"time"

	"fleet/cmd/fleet-gate/internal/names"
)

// alive tells whether connections are taken and decided on; it hangs where that does.
func (g *gate) alive(limit time.Duration) bool {
	if w, ok := g.judge.Watch(func() {}); ok {
		w.Done()
	}
	g.names.Name(names.Self)
	return g.server.Alive(limit)
}
