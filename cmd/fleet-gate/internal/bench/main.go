//go:build bench

// Command bench measures the gate beside squid and tinyproxy from Debian, a plain relay and a direct connection, as
// ratios of one run. It is not installed and needs root:
//
//	go run -tags bench ./cmd/fleet-gate/internal/bench [-pairs N] [NAME...]
//
// All of it runs in namespaces of its own, out of which no packet goes and which are gone at its end, however it ends.
// Exit status 1: an interval does not reach its bound.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"fleet/cmd/internal/ratio"
)

// measure is one part of the table.
type measure struct {
	name string
	run  func(*lab) ([]row, error)
}

var measures = []measure{
	{"tunnels", tunnels},
	{"bulk", bulk},
	{"tls", bulkTLS},
	{"requests", requests},
	{"forward", forward},
	{"inspect", inspect},
	{"inspect-stream", inspectStream},
	{"inspect-memory", inspectMemory},
	{"secret", secretRequests},
	{"secret-connect", secretConnections},
	{"secret-stream", secretStream},
	{"secret-memory", secretMemory},
	{"idle", idle},
	{"start", start},
	{"decide", decide},
}

// row is one line of the table.
type row struct {
	what  string
	ratio ratio.Ratio
	bound float64
	least bool // the bound is a lower one
}

func (r row) reached() bool {
	if r.least {
		return r.ratio.AtLeast(r.bound)
	}
	return r.ratio.Within(r.bound)
}

func (r row) String() string {
	sign, answer := "≤", "no"
	if r.least {
		sign = "≥"
	}
	if r.reached() {
		answer = "yes"
	}
	return fmt.Sprintf("| %s | %s | %s %g | %s |", r.what, r.ratio, sign, r.bound, answer)
}

func main() {
	pairs := flag.Int("pairs", ratio.Pairs, "how often each way is `run`")
	flag.Parse()
	var err error
	switch {
	case *pairs < 1:
		err = errors.New("-pairs must be at least 1")
	case os.Getenv(caged) == "":
		os.Exit(enterCage())
	case flag.Arg(0) == sinkName:
		err = sink(flag.Arg(1))
	default:
		err = all(*pairs, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func all(pairs int, names []string) error {
	for _, n := range names {
		if !slices.ContainsFunc(measures, func(m measure) bool { return m.name == n }) {
			return fmt.Errorf("there is no measure %q", n)
		}
	}
	l, err := newLab(pairs)
	if err != nil {
		return err
	}
	fmt.Println("| measure | ratio (95 % interval) | bound | reached |\n|---|---|---|---|")
	var missed []string
	for _, m := range measures {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		rows, err := m.run(l)
		l.stopAll()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, r := range rows {
			fmt.Println(r)
			if !r.reached() {
				missed = append(missed, r.what)
			}
		}
	}
	fmt.Println(strings.Join(l.notes, "\n"))
	if len(missed) > 0 {
		return fmt.Errorf("not reached: %s", strings.Join(missed, "; "))
	}
	return nil
}
