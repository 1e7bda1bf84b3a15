//go:build bench

package main

import (
	"fmt"
	"time"
)

// besideBroker are what a gate with secrets is measured beside: all inspect or carry the same requests to keyHost, and
// without the gate's secrets a client has the value itself.
var besideBroker = []starter{(*lab).startBroker, (*lab).startGate, (*lab).startRelay}

// secretRequests sends requests into which the gate puts a secret, and scrubs the answers.
func secretRequests(l *lab) ([]row, error) {
	const n = 400
	s, err := l.compare(comparison{
		title: "HTTPS requests one after the other with a secret, which the broker puts in and takes out", unit: "requests",
		runs: often, among: besideBroker,
	}, func(s *subject) (float64, []time.Duration, error) {
		w, err := s.secureWeb(keyHost)
		if err != nil {
			return 0, nil, err
		}
		defer w.Close()
		times, err := repeat(n, 1, func(int) error { return w.keyed(s, keyHost, "/") })
		return n, times, err
	})
	if err != nil {
		return nil, err
	}
	l.note("\nAdded to the relay's: p50 %s without secrets; p99 %s with, %s without.",
		s.added("gate", "relay", p50), s.added("broker", "relay", p99), s.added("gate", "relay", p99))
	return []row{{
		what: "added p50 of a request with a secret, to the relay's", ratio: s.added("broker", "relay", p50), bound: 3,
	}}, nil
}

// secretConnections makes a connection for each request. The gate keeps its own to a host, so that it has no handshake
// there unless the host closes them.
func secretConnections(l *lab) ([]row, error) {
	kept, err := l.connections("New connections with TLS and one request with a secret", keyHost)
	if err != nil {
		return nil, err
	}
	l.stopAll()
	closed, err := l.connections("The same to a host that closes them, which costs the gate a second handshake", onceHost)
	if err != nil {
		return nil, err
	}
	l.note("\nConnections a second to the host that closes them, to the relay: %s.", closed.ratio("broker", "relay", rate))
	return []row{{
		what:  "new connections a second with a secret, to the relay",
		ratio: kept.ratio("broker", "relay", rate), bound: 0.7, least: true,
	}}, nil
}

func (l *lab) connections(title, host string) (series, error) {
	const n, workers = 800, 8
	c := comparison{title: title, unit: "connections", among: besideBroker}
	return l.compare(c, func(s *subject) (float64, []time.Duration, error) {
		times, err := repeat(n, workers, func(int) error {
			w, err := s.secureWeb(host)
			if err != nil {
				return err
			}
			defer w.Close()
			return w.keyed(s, host, "/")
		})
		return n, times, err
	})
}

// secretStream takes a GiB.
func secretStream(l *lab) ([]row, error) {
	s, err := l.compare(comparison{
		title: "One HTTPS stream of 1 GiB, which the broker scrubs", unit: "GiB", among: besideBroker,
	}, func(s *subject) (float64, []time.Duration, error) {
		w, err := s.secureWeb(keyHost)
		if err != nil {
			return 0, nil, err
		}
		defer w.Close()
		if err := w.keyed(s, keyHost, fmt.Sprintf("/%d", 1<<20)); err != nil {
			return 0, nil, err
		}
		times, err := repeat(1, 1, func(int) error { return take(w, keyHost, gib) })
		return 1, times, err
	})
	if err != nil {
		return nil, err
	}
	return []row{{
		what:  "one scrubbed stream, GiB a second, to the inspected one without secrets",
		ratio: s.ratio("broker", "gate", rate), bound: 0.8, least: true,
	}}, nil
}

// secretMemory is inspectMemory for a gate with secrets.
func secretMemory(l *lab) ([]row, error) {
	r, err := l.memory("gate that scrubs", (*lab).startBroker, keyHost)
	return []row{{what: "greatest memory after 1 GiB scrubbed, to that after 64 MiB", ratio: r, bound: 1.1}}, err
}
