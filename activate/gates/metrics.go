package gates

import (
	"context"
	"sync"
	"time"

	"fleet/activate/agents"
	"fleet/activate/firewall"
	"fleet/schemas/egress"
	"fleet/schemas/manifest"
)

// Metrics returns the metrics of agents and sidecars: those of every running gate, what gates kept, what the kernel
// refused, and how agents fare. Of a gate that does not answer there is fleet_gate_up 0 and a line to log.
func Metrics(ctx context.Context, c agents.Control, keys []string) (*Families, error) {
	running, err := Running(ctx, c.Systemd, c.Project, keys)
	if err != nil {
		return nil, err
	}
	f := NewFamilies()
	texts := pages(ctx, c, keys, running)
	for i, key := range keys {
		if n := f.Merge(texts[i], c.Project, key); n > 0 {
			c.Log("the gate of %s told %d lines that are no metrics of its own", key, n)
		}
		f.gate(ctx, c, key, running[key], len(texts[i]) > 0)
		a, err := c.Agent(key)
		if err != nil {
			continue // a sidecar
		}
		if err := f.agent(ctx, c, a); err != nil {
			return nil, err
		}
	}
	return f, f.rejected(c, keys)
}

// pages asks all gates at once: one that hangs holds up no other.
func pages(ctx context.Context, c agents.Control, keys []string, running map[string]bool) [][]byte {
	out := make([][]byte, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		if !running[key] {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, answerTime)
			defer cancel()
			text, err := egress.Metrics(ctx, c.GateControl(key))
			if err != nil {
				c.Log("the gate of %s does not answer: %v", key, err)
				return
			}
			out[i] = text
		})
	}
	all.Wait()
	return out
}

// gate adds what is known of a gate whether it runs or not.
func (f *Families) gate(ctx context.Context, c agents.Control, key string, running, answers bool) {
	f.Add("fleet_gate_up", "gauge", "1 where the gate runs and answers; a gate without a connection does not run.",
		truth(answers), "project", c.Project, "agent", key)
	told, _ := Ask(ctx, c.Fleet, key, running && answers)
	t := told.Total()
	for _, v := range []struct {
		verdict string
		n       int64
	}{{"allow", t.Allowed}, {"deny", t.Denied}, {"report", t.Reported}, {"bypassed", t.Bypassed}} {
		f.Add("fleet_egress_decisions_total", "counter", "Decisions by verdict, kept over restarts of the gate.",
			float64(v.n), "project", c.Project, "agent", key, "verdict", v.verdict)
	}
	f.Add("fleet_egress_cut", "gauge", "1 while the operator has cut the agent off.",
		truth(exists(c.Profile.Cut(key))), "project", c.Project, "agent", key)
}

// agent adds how an agent fares.
func (f *Families) agent(ctx context.Context, c agents.Control, a manifest.Agent) error {
	u, err := c.Systemd.Unit(ctx, a.Unit)
	if err != nil {
		return err
	}
	labels := []string{"project", c.Project, "agent", a.Key}
	f.Add("fleet_agent_up", "gauge", "1 where the agent's runner runs.", truth(u.ActiveState == "active"), labels...)
	f.Add("fleet_agent_restarts", "gauge", "Restarts by systemd itself since a person or a switch started the agent.",
		float64(u.NRestarts), labels...)
	if last, err := c.Sessions(a.Key, 1); err == nil && len(last) == 1 {
		f.Add("fleet_agent_sessions_total", "counter", "Sessions and jobs that have ended, as the agent's records number them.",
			float64(last[0].N), labels...)
	}
	if beat := c.Signs(a.Key).Beat; !beat.IsZero() && !beat.After(time.Now().Add(time.Minute)) {
		f.Add("fleet_agent_last_beat_seconds", "gauge", "Last sign of life, seconds since 1970.", float64(beat.Unix()), labels...)
	}
	return nil
}

// rejected adds the firewall's counters.
func (f *Families) rejected(c agents.Control, keys []string) error {
	counters, err := firewall.Counters(c.Project, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if n, ok := counters[key]; ok {
			f.Add("fleet_firewall_rejected_packets_total", "counter", "Packets of the agent that the host's firewall refused.",
				float64(n.Packets), "project", c.Project, "agent", key)
		}
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
