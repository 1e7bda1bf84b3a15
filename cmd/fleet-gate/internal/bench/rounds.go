//go:build bench

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/cmd/fleet-gate/internal/bench/meter"
	"fleet/cmd/internal/ratio"
)

// sample is one run of one subject. Its unit is an operation, or a GiB.
type sample struct {
	rate     float64 // units a second
	cpu      float64 // of the proxy, seconds for each
	journal  float64 // of journald, seconds for each
	p50, p99 float64 // seconds
}

func rate(s sample) float64 { return s.rate }
func cpu(s sample) float64  { return s.cpu }
func p50(s sample) float64  { return s.p50 }
func p99(s sample) float64  { return s.p99 }

// series has the samples of each subject by its name, in the order of the rounds.
type series map[string][]sample

// job is what a run does. It returns how many units it did, and how long each of its parts took.
type job func(*subject) (units float64, times []time.Duration, err error)

// comparison is one job that all subjects do.
type comparison struct {
	title, unit string    // of its table; unit in the plural
	without     string    // a subject that cannot do it
	runs        int       // for each pair; 0 is 1
	among       []starter // nil: every proxy
}

// often is how many runs a pair has where one question follows the other. On which of the cores the kernel wakes whom
// makes a short answer take up to five times as long, and mostly stays so for a run: many short ones meet all of it.
const often = 5

// compare starts every proxy, has them do the job, and notes a table.
func (l *lab) compare(c comparison, do job) (series, error) {
	subjects, err := l.startAll(c.among)
	if err != nil {
		return nil, err
	}
	subjects = slices.DeleteFunc(subjects, func(s *subject) bool { return s.name == c.without })
	s, err := l.rounds(l.pairs*max(1, c.runs), subjects, do)
	if err == nil {
		l.beside(c.title, c.unit, s)
	}
	return s, err
}

// rounds runs each subject once for warmth and then so often. The order of a round is the other way round than that of
// the one before.
func (l *lab) rounds(runs int, subjects []*subject, do job) (series, error) {
	out := series{}
	for n := range runs + 1 {
		for _, s := range subjects {
			one, err := l.run(s, do)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if n > 0 {
				out[s.name] = append(out[s.name], one)
			}
		}
		slices.Reverse(subjects)
	}
	return out, nil
}

func (l *lab) run(s *subject, do job) (sample, error) {
	before, journalBefore, err := l.used(s)
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	units, times, err := do(s)
	took := time.Since(began)
	if err != nil {
		return sample{}, err
	}
	after, journalAfter, err := l.rest(s)
	if err != nil {
		return sample{}, err
	}
	return sample{
		rate: units / took.Seconds(), cpu: (after - before).Seconds() / units,
		journal: (journalAfter - journalBefore).Seconds() / units,
		p50:     meter.Quantile(times, 0.5).Seconds(), p99: meter.Quantile(times, 0.99).Seconds(),
	}, nil
}

func (l *lab) used(s *subject) (proxy, journal time.Duration, err error) {
	if proxy, err = s.cpu(); err != nil {
		return 0, 0, err
	}
	journal, err = meter.CPU(l.journal.pid)
	return proxy, journal, err
}

// rest waits until neither the proxy nor the journal works any more for what was done, and returns what they have used.
func (l *lab) rest(s *subject) (proxy, journal time.Duration, err error) {
	const pause, little = 10 * time.Millisecond, 200 * time.Microsecond
	if proxy, journal, err = l.used(s); err != nil {
		return 0, 0, err
	}
	for range 50 {
		time.Sleep(pause)
		p, j, err := l.used(s)
		if err != nil {
			return 0, 0, err
		}
		done := p-proxy < little && j-journal < little
		if proxy, journal = p, j; done {
			break
		}
	}
	return proxy, journal, nil
}

func (s series) column(name string, get func(sample) float64) []float64 {
	var out []float64
	for _, one := range s[name] {
		out = append(out, get(one))
	}
	return out
}

// ratio compares two subjects.
func (s series) ratio(a, b string, get func(sample) float64) ratio.Ratio {
	return ratio.Of(s.column(a, get), s.column(b, get))
}

// added compares what two subjects add to a time of the direct way.
func (s series) added(a, b string, get func(sample) float64) ratio.Ratio {
	var x, y []float64
	for i, d := range s["direct"] {
		x = append(x, get(s[a][i])-get(d))
		y = append(y, get(s[b][i])-get(d))
	}
	return ratio.Of(x, y)
}

// beside notes the medians of all subjects.
func (l *lab) beside(title, unit string, s series) {
	l.note("\n%s:\n\n| | %s a second | CPU µs for each | journald µs for each | p50 µs | p99 µs |\n|---|---|---|---|---|---|", title, unit)
	names := []string{"broker", "gate", "squid", "tinyproxy", "relay", "direct"}
	for _, name := range names {
		if len(s[name]) == 0 {
			continue
		}
		cells := []string{name}
		for _, get := range []func(sample) float64{
			rate, func(s sample) float64 { return s.cpu * 1e6 }, func(s sample) float64 { return s.journal * 1e6 },
			func(s sample) float64 { return s.p50 * 1e6 }, func(s sample) float64 { return s.p99 * 1e6 },
		} {
			cells = append(cells, fmt.Sprintf("%.4g", meter.Median(s.column(name, get))))
		}
		l.note("| %s |", strings.Join(cells, " | "))
	}
}

// starter starts a proxy.
type starter func(*lab) (*subject, error)

// everyProxy is beside what a gate without secrets is measured.
var everyProxy = []starter{(*lab).startGate, (*lab).startSquid, (*lab).startTinyproxy, (*lab).startRelay}

// startAll starts proxies, every one where none are named. The direct way comes first.
func (l *lab) startAll(list []starter) ([]*subject, error) {
	if list == nil {
		list = everyProxy
	}
	subjects := []*subject{direct()}
	for _, run := range list {
		s, err := run(l)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}
