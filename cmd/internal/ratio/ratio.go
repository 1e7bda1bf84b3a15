// Package ratio compares two ways of doing a thing by pairs of runs that follow each other, so that what else the
// machine does weighs on both.
package ratio

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Pairs is how many pairs a comparison takes.
const Pairs = 20

// resamples is how often the bootstrap draws; more change the third digit only.
const resamples = 10_000

// Ratio is the median of the pairs' ratios, with its 95 % interval by bootstrap.
type Ratio struct{ Median, Low, High float64 }

// Of returns the ratio of a to b, pair by pair. The same numbers give the same interval: the draw has a fixed seed.
func Of(a, b []float64) Ratio {
	if len(a) != len(b) || len(a) == 0 {
		panic(fmt.Sprintf("ratio of %d and %d numbers", len(a), len(b)))
	}
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret, a repeatable draw
	medians := make([]float64, resamples)
	sample := make([]float64, len(ratios))
	for i := range medians {
		for j := range sample {
			sample[j] = ratios[draw.IntN(len(ratios))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return Ratio{Median: median(ratios), Low: medians[resamples*25/1000], High: medians[resamples*975/1000]}
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	if n := len(s); n%2 == 1 {
		return s[n/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}

// Within reports whether the interval reaches a bound from above: the ratio is not shown to exceed it.
func (r Ratio) Within(bound float64) bool { return r.Low <= bound }

// AtLeast reports whether the interval reaches a bound from below: the ratio is not shown to fall short of it.
func (r Ratio) AtLeast(bound float64) bool { return r.High >= bound }

// Plain returns the median of numbers that are compared with nothing, with its interval.
func Plain(v []float64) Ratio {
	ones := make([]float64, len(v))
	for i := range ones {
		ones[i] = 1
	}
	return Of(v, ones)
}

// String returns the median and the interval.
func (r Ratio) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", r.Median, r.Low, r.High) }
