//go:build bench

package main

import (
	"time"

	"fleet/cmd/fleet-gate/internal/bench/meter"
	"fleet/cmd/internal/ratio"
)

// inspect sends requests over TLS that the gate opens; all others carry it to the origin.
func inspect(l *lab) ([]row, error) {
	const n = 400
	s, err := l.compare(comparison{title: "HTTPS requests one after the other, which the gate inspects", unit: "requests", runs: often}, func(s *subject) (float64, []time.Duration, error) {
		c, err := s.connectTLS(seenHost, tlsPort)
		if err != nil {
			return 0, nil, err
		}
		defer c.Close()
		times, err := ask(newWeb(c), n, "/", seenHost)
		return n, times, err
	})
	if err != nil {
		return nil, err
	}
	return []row{{what: "added p50 of an inspected request, to the relay's", ratio: s.added("gate", "relay"), bound: 2.5}}, nil
}

func inspectStream(l *lab) ([]row, error) {
	s, err := l.compare(comparison{title: "One HTTPS stream, which the gate inspects", unit: "GiB"}, func(s *subject) (float64, []time.Duration, error) {
		return stream(s, seenHost, tlsPort, s.connectTLS)
	})
	if err != nil {
		return nil, err
	}
	return []row{{
		what: "one inspected stream, GiB a second, to the relay's HTTPS", ratio: s.ratio("gate", "relay", rate), bound: 0.85, least: true,
	}}, nil
}

// inspectMemory compares the greatest memory after a GiB of one answer with that after a sixteenth.
func inspectMemory(l *lab) ([]row, error) {
	const runs = 5 // the numbers differ little
	var before, after []float64
	for range min(runs, l.pairs) {
		b, a, err := l.peaks()
		l.stopAll()
		if err != nil {
			return nil, err
		}
		before, after = append(before, b), append(after, a)
	}
	l.note("\nGreatest memory of a gate that inspects: %.1f MiB after 64 MiB, %.1f MiB after 1 GiB more.",
		meter.Median(before)/(1<<20), meter.Median(after)/(1<<20))
	return []row{{what: "greatest memory after 1 GiB inspected, to that after 64 MiB", ratio: ratio.Of(after, before), bound: 1.1}}, nil
}

func (l *lab) peaks() (before, after float64, err error) {
	s, err := l.startGate()
	if err != nil {
		return 0, 0, err
	}
	c, err := s.connectTLS(seenHost, tlsPort)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	w := newWeb(c)
	var peaks [2]float64
	for i, size := range []int{gib / 16, gib} {
		if err := take(w, seenHost, size); err != nil {
			return 0, 0, err
		}
		m, err := meter.Resident(s.pid())
		if err != nil {
			return 0, 0, err
		}
		peaks[i] = float64(m.Peak)
	}
	return peaks[0], peaks[1], nil
}
