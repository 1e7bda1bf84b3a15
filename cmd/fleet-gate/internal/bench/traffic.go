//go:build bench

package main

import (
	"fmt"
	"net"
	"time"
)

const (
	gib = 1 << 30

	// bulkSize is what one stream takes: less than a second's.
	bulkSize = 512 << 20
)

// tunnels makes tunnels and sends one byte through each.
func tunnels(l *lab) ([]row, error) {
	const n, workers = 4000, 16 // half a second: a run of a tenth tells most of how it began and ended
	s, err := l.compare(comparison{title: "CONNECT and one byte", unit: "tunnels"}, func(s *subject) (float64, []time.Duration, error) {
		times, err := repeat(n, workers, func(int) error {
			c, err := s.connect(rawHost, echoPort)
			if err != nil {
				return err
			}
			defer c.Close()
			return oneByte(c)
		})
		return n, times, err
	})
	if err != nil {
		return nil, err
	}
	return []row{
		{what: "new tunnels a second, to squid", ratio: s.ratio("gate", "squid", rate), bound: 1, least: true},
		{what: "CPU for a new tunnel, to squid", ratio: s.ratio("gate", "squid", cpu), bound: 1.1},
	}, nil
}

// bulk lets one stream go through one tunnel.
func bulk(l *lab) ([]row, error) {
	s, err := l.compare(comparison{title: "One raw stream", unit: "GiB"}, func(s *subject) (float64, []time.Duration, error) {
		return stream(s, rawHost, rawPort, s.connect)
	})
	if err != nil {
		return nil, err
	}
	return []row{
		{what: "one raw stream, GiB a second, to the relay", ratio: s.ratio("gate", "relay", rate), bound: 0.9, least: true},
		{what: "its CPU for a GiB, to the relay", ratio: s.ratio("gate", "relay", cpu), bound: 1.2},
	}, nil
}

func stream(
	s *subject, host string, port int, connect func(string, int) (net.Conn, error),
) (float64, []time.Duration, error) {
	times, err := repeat(1, 1, func(int) error {
		c, err := connect(host, port)
		if err != nil {
			return err
		}
		defer c.Close()
		return take(newWeb(c), host, bulkSize)
	})
	return float64(bulkSize) / gib, times, err
}

// take gets an answer of a size.
func take(w *web, host string, size int) error {
	n, err := w.get(fmt.Sprintf("/%d", size), host)
	if err == nil && n != size {
		err = fmt.Errorf("got %d bytes, want %d", n, size)
	}
	return err
}

func bulkTLS(l *lab) ([]row, error) {
	s, err := l.compare(comparison{title: "One TLS stream, not inspected", unit: "GiB"}, func(s *subject) (float64, []time.Duration, error) {
		return stream(s, tlsHost, tlsPort, s.connectTLS)
	})
	if err != nil {
		return nil, err
	}
	return []row{{what: "CPU for a GiB of a TLS stream, to squid", ratio: s.ratio("gate", "squid", cpu), bound: 1}}, nil
}

// requests sends one request after the other through one tunnel.
func requests(l *lab) ([]row, error) {
	const n = 600
	s, err := l.compare(comparison{title: "Requests one after the other in a tunnel", unit: "requests", runs: often}, func(s *subject) (float64, []time.Duration, error) {
		c, err := s.connect(rawHost, rawPort)
		if err != nil {
			return 0, nil, err
		}
		defer c.Close()
		times, err := ask(newWeb(c), n, "/", rawHost)
		return n, times, err
	})
	if err != nil {
		return nil, err
	}
	return []row{{
		what: "added p50 of a request in a tunnel, to squid's", ratio: s.added("gate", "squid", p50), bound: 1,
	}}, nil
}

func ask(w *web, n int, target, host string) ([]time.Duration, error) {
	return repeat(n, 1, func(int) error {
		_, err := w.get(target, host)
		return err
	})
}

// forward sends plain requests over kept connections to the proxy.
func forward(l *lab) ([]row, error) {
	const n, workers = 2000, 8
	// The relay knows CONNECT alone.
	s, err := l.compare(comparison{title: "Forward HTTP over 8 kept connections, which tinyproxy does not keep", unit: "requests", without: "relay"}, func(s *subject) (float64, []time.Duration, error) {
		var kept [workers]*web
		defer func() {
			for _, w := range kept {
				if w != nil {
					w.Close()
				}
			}
		}()
		times, err := repeat(n, workers, func(w int) (err error) { return s.forwarded(&kept[w]) })
		return n, times, err
	})
	if err != nil {
		return nil, err
	}
	return []row{{what: "CPU for a forward HTTP request, to squid", ratio: s.ratio("gate", "squid", cpu), bound: 1}}, nil
}

// forwarded sends one request over the kept connection, which it makes first where there is none.
func (s *subject) forwarded(kept **web) error {
	to, target := s.proxy, "http://"+httpHost+"/"
	if to == "" {
		to, target = s.at(httpHost, httpPort), "/"
	}
	if *kept == nil {
		c, err := dial(to)
		if err != nil {
			return err
		}
		*kept = newWeb(c)
	}
	_, err := (*kept).get(target, httpHost)
	if s.name == "tinyproxy" {
		(*kept).Close()
		*kept = nil
	}
	return err
}
