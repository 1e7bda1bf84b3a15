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
	return []row{{
		what: "added p50 of an inspected request, to the relay's", ratio: s.added("gate", "relay", p50), bound: 2.5,
	}}, nil
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
	r, err := l.memory("gate that inspects", (*lab).startGate, seenHost)
	return []row{{what: "greatest memory after 1 GiB inspected, to that after 64 MiB", ratio: r, bound: 1.1}}, err
}

func (l *lab) memory(what string, start starter, host string) (ratio.Ratio, error) {
	const runs = 5 // the numbers differ little
	var before, after []float64
	for range min(runs, l.pairs) {
		b, a, err := l.peaks(start, host)
		l.stopAll()
		if err != nil {
			return ratio.Ratio{}, err
		}
		before, after = append(before, b), append(after, a)
	}
	l.note("\nGreatest memory of a %s: %.1f MiB after 64 MiB, %.1f MiB after 1 GiB more.", what,
		meter.Median(before)/(1<<20), meter.Median(after)/(1<<20))
	return ratio.Of(after, before), nil
}

func (l *lab) peaks(start starter, host string) (before, after float64, err error) {
	s, err := start(l)
	if err != nil {
		return 0, 0, err
	}
	w, err := s.secureWeb(host)
	if err != nil {
		return 0, 0, err
	}
	defer w.Close()
	var peaks [2]float64
	for i, size := range []int{gib / 16, gib} {
		if err := take(w, host, size); err != nil {
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
