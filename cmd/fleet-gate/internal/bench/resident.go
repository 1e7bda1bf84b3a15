//go:build bench

package main

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-gate/internal/bench/meter"
	"fleet/cmd/internal/ratio"
)

// settled is how long a proxy has had nothing to do before its memory is read.
const settled = 2 * time.Second

// idleTunnels is how many are open at once.
const idleTunnels = 1000

// footprint is what a proxy holds while nothing happens.
type footprint struct {
	memory meter.Memory
	files  int
}

func footprintOf(s *subject) (f footprint, err error) {
	time.Sleep(settled)
	if f.memory, err = meter.Resident(s.pid()); err != nil {
		return f, err
	}
	f.files, err = meter.Descriptors(s.pid())
	return f, err
}

// idle reads memory and descriptors of proxies that have just been started, without and with open tunnels.
func idle(l *lab) ([]row, error) {
	const runs = 5 // the numbers differ little
	var empty, each, files []float64
	for range min(runs, l.pairs) {
		bare, full, err := l.hold(l.startGate)
		if err != nil {
			return nil, err
		}
		empty = append(empty, float64(bare.memory.Now)/(1<<20))
		each = append(each, float64(full.memory.Now-bare.memory.Now)/idleTunnels/(1<<10))
		files = append(files, float64(full.files-bare.files)/idleTunnels)
	}
	for _, start := range []func() (*subject, error){l.startRelay, l.startSquid, l.startTinyproxy} {
		bare, full, err := l.hold(start)
		if err != nil {
			return nil, err
		}
		l.note("\nIdle, %s: %.1f MiB resident, %.1f KiB and %.1f descriptors for each of %d tunnels.", l.running[0].name,
			float64(bare.memory.Now)/(1<<20), float64(full.memory.Now-bare.memory.Now)/idleTunnels/(1<<10),
			float64(full.files-bare.files)/idleTunnels, idleTunnels)
		l.stopAll()
	}
	return []row{
		{what: "an idle gate, MiB resident", ratio: ratio.Plain(empty), bound: 12},
		{what: fmt.Sprintf("each of %d idle tunnels, KiB resident", idleTunnels), ratio: ratio.Plain(each), bound: 20},
		{what: "its descriptors", ratio: ratio.Plain(files), bound: 2},
	}, nil
}

// hold starts a proxy, uses it once, and opens tunnels of which each has carried a byte.
func (l *lab) hold(start func() (*subject, error)) (bare, full footprint, err error) {
	l.stopAll()
	s, err := start()
	if err != nil {
		return bare, full, err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	tunnel := func() error {
		c, err := s.connect(rawHost, echoPort)
		if err != nil {
			return err
		}
		open = append(open, c)
		return oneByte(c)
	}
	if err := tunnel(); err != nil {
		return bare, full, err
	}
	open[0].Close()
	if bare, err = footprintOf(s); err != nil {
		return bare, full, err
	}
	for range idleTunnels {
		if err := tunnel(); err != nil {
			return bare, full, err
		}
	}
	full, err = footprintOf(s)
	return bare, full, err
}

// start compares how long a process takes to its first accept. Both inherit the socket, in which a connection waits.
func start(l *lab) ([]row, error) {
	var gate, relay []float64
	for n := range l.pairs + 1 {
		g, err := l.firstAccept(l.startGate)
		if err != nil {
			return nil, err
		}
		r, err := l.firstAccept(l.startRelay)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			gate, relay = append(gate, g), append(relay, r)
		}
	}
	l.note("\nFrom start to the first accept: gate %.1f ms, relay %.1f ms.", 1e3*meter.Median(gate), 1e3*meter.Median(relay))
	return []row{{what: "from start to the first accept, to the relay", ratio: ratio.Of(gate, relay), bound: 4}}, nil
}

func (l *lab) firstAccept(start func() (*subject, error)) (float64, error) {
	defer l.stopAll()
	s, err := start()
	if err != nil {
		return 0, err
	}
	c, err := dial(s.proxy)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	err = eventuallySoon(s.name, func() bool { return waiting(int(s.first.Fd())) == 0 })
	return time.Since(s.began).Seconds(), err
}

// waiting is the number of connections in the queue of a listening socket; tcp(7) has it in tcpi_unacked.
func waiting(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return -1
	}
	return int(info.Unacked)
}
