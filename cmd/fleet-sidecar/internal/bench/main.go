//go:build bench

// Command bench measures a call through the sidecar beside the same call of the bare stdio server, as ratios of one run. It
// is not installed:
//
//	go run -tags bench ./cmd/fleet-sidecar/internal/bench [-pairs N]
//
// The server is an echo of the official SDK. The sidecar has all that it has for an agent: an allow list, a schema for the
// arguments, a secret to look for, and records to a journal. Exit status 1: an interval does not reach its bound.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"fleet/cmd/internal/ratio"
)

// bound is what a call may take, in calls of the bare server: two hops more, each with its parsing, and the sidecar's work.
const bound = 3.5

const (
	// often is how many runs a pair has, calls how many calls a run. On which of the cores the kernel wakes whom mostly
	// stays so for a run: many short ones meet all of it.
	often, calls = 5, 200
)

func main() {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case echoName:
			exit(echo())
		case relayName:
			exit(relay())
		}
	}
	pairs := flag.Int("pairs", ratio.Pairs, "how often each way is `run`")
	flag.Parse()
	if *pairs < 1 || flag.NArg() > 0 {
		exit(errors.New("usage: bench [-pairs N], N at least 1"))
	}
	exit(measure(context.Background(), *pairs))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// sample are the times of a run, in seconds.
type sample struct{ p50, p99 float64 }

func measure(ctx context.Context, pairs int) error {
	l, err := newLab()
	if err != nil {
		return err
	}
	defer l.close()
	subjects, err := l.subjects(ctx)
	if err != nil {
		return err
	}
	samples, err := rounds(ctx, subjects, pairs*often)
	if err != nil {
		return err
	}
	return report(subjects, samples)
}

// rounds runs each subject once for warmth and then so often. The order of a round is the other way round than that of the
// one before.
func rounds(ctx context.Context, subjects []subject, runs int) (map[string][]sample, error) {
	out := map[string][]sample{}
	order := slices.Clone(subjects)
	for n := range runs + 1 {
		for _, s := range order {
			one, err := s.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if n > 0 {
				out[s.name] = append(out[s.name], one)
			}
		}
		slices.Reverse(order)
	}
	return out, nil
}

func (s *subject) run(ctx context.Context) (sample, error) {
	times := make([]time.Duration, calls)
	for i := range times {
		began := time.Now()
		if err := s.call(ctx, i); err != nil {
			return sample{}, err
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return sample{p50: times[calls/2].Seconds(), p99: times[calls*99/100].Seconds()}, nil
}

// report prints the table.
func report(subjects []subject, samples map[string][]sample) error {
	column := func(name string, get func(sample) float64) []float64 {
		var out []float64
		for _, s := range samples[name] {
			out = append(out, get(s))
		}
		return out
	}
	p50 := func(s sample) float64 { return s.p50 * 1e6 }
	p99 := func(s sample) float64 { return s.p99 * 1e6 }
	var missed []string
	fmt.Println("| a call beside the bare server's, p50 | ratio (95 % interval) | bound | reached |\n|---|---|---|---|")
	for _, s := range subjects {
		if !s.bounded {
			continue
		}
		r, answer := ratio.Of(column(s.name, p50), column(bareName, p50)), "yes"
		if !r.Within(bound) {
			answer = "no"
			missed = append(missed, s.name)
		}
		fmt.Printf("| %s | %s | ≤ %g | %s |\n", s.name, r, bound, answer)
	}
	fmt.Println("\n| | p50 µs | p99 µs |\n|---|---|---|")
	for _, s := range subjects {
		fmt.Printf("| %s | %.4g | %.4g |\n", s.name, ratio.Plain(column(s.name, p50)).Median, ratio.Plain(column(s.name, p99)).Median)
	}
	if len(missed) > 0 {
		return fmt.Errorf("not reached: %s", strings.Join(missed, "; "))
	}
	return nil
}
