//go:build bench

package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"fleet/cmd/internal/ratio"
	"fleet/schemas/chat"
)

const (
	// memoryPairs need not be many: what a process touches hardly differs from one start to the next.
	memoryPairs = 5

	// readsEach and postsEach are what each agent does in a run.
	readsEach, postsEach = 20, 2

	// larger is what the memory may be with many messages, to that with few.
	larger = 1.1
)

// memory compares the greatest resident memory of daemons that do the same with many messages stored and with few.
func memory(ctx context.Context, l *lab) ([]row, error) {
	if err := l.fillBoth(); err != nil {
		return nil, err
	}
	var small, large []float64
	for n := range min(l.pairs, memoryPairs) {
		for i := range 2 {
			f, all := l.small, &small
			if (i+n)%2 == 1 {
				f, all = l.large, &large
			}
			peak, err := l.peak(ctx, f)
			if err != nil {
				return nil, err
			}
			*all = append(*all, peak)
		}
	}
	l.note("greatest memory: %.3g MiB with few messages stored, %.3g with many", ratio.Plain(small).Median, ratio.Plain(large).Median)
	what := fmt.Sprintf("greatest memory of the daemon, with %d messages stored, to that with %d", l.messages, few)
	return []row{{what, ratio.Of(large, small), larger, false}}, nil
}

// peak is the greatest resident memory of a daemon of whose agents each reads, acknowledges and posts, in MiB.
func (l *lab) peak(ctx context.Context, f *filled) (float64, error) {
	p, err := l.start(ctx, f.dir, f.config, false)
	if err != nil {
		return 0, err
	}
	err = together(writers, func(n int) (err error) {
		var read map[string]any
		for i := range readsEach {
			if _, read, err = readOver(ctx, p.stdio[n], read); err != nil {
				return err
			}
			if i < postsEach {
				if _, err := call(ctx, p.stdio[n], "post", map[string]any{"channel": chat.Alerts, "text": text}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	peak, peakErr := highWater(p.cmd.Process.Pid)
	if endErr := p.end(); err == nil {
		err = endErr
	}
	if err == nil {
		err = peakErr
	}
	return peak, err
}

var highWaterLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// highWater is the greatest resident memory of a process, in MiB.
func highWater(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := highWaterLine.FindSubmatch(status)
	if m == nil {
		return 0, fmt.Errorf("process %d has no VmHWM", pid)
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	return kib / 1024, err
}
