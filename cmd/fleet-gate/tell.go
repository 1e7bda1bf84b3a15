package main

import (
	"io"
	"time"

	"fleet/activate/boottime"
	"fleet/cmd/fleet-gate/internal/tally"
	"fleet/schemas/egress"
	"fleet/schemas/report"
)

// maxFault bounds the text of a fault in a status; that of a policy may have a hundred lines.
const maxFault = 1 << 10

// tell answers GET /status.
func (g *gate) tell() egress.Status {
	day, total := g.tally.Counts()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := egress.Status{
		Version: egress.Version, Project: g.rules.policy.Project, Agent: g.rules.policy.Agent, Mode: g.rules.policy.Mode,
		Policy: g.rules.digest, Cut: g.cut, Mute: g.audit.Mute(), Open: int64(g.server.Open()), Day: day, Total: total,
		Error: shorten(report.Printable(g.fault)), Started: g.started,
	}
	if b := g.bypass; b != nil {
		left := max(0, time.Duration(b.Until)-boottime.Now())
		s.Bypass = &egress.Bypass{
			Until: b.Until, Seconds: int64((left + time.Second - 1) / time.Second), Reason: b.Reason, By: b.By,
		}
	}
	return s
}

func shorten(s string) string {
	if len(s) > maxFault {
		return s[:maxFault] + "..."
	}
	return s
}

// metrics answers GET /metrics.
func (g *gate) metrics(w io.Writer) error {
	g.mu.Lock()
	gauges := tally.Gauges{
		Project: g.rules.policy.Project, Agent: g.rules.policy.Agent, Cut: g.cut, Bypassed: g.bypass != nil, Started: g.started,
	}
	g.mu.Unlock()
	gauges.Open, gauges.Waited, gauges.NotTaken = int64(g.server.Open()), g.server.Waited(), g.server.NotTaken()
	gauges.Reloads, gauges.ReloadsFailed, gauges.Repeated = g.reloads.Load(), g.failed.Load(), g.audit.Repeated()
	return g.tally.Metrics(w, gauges)
}
