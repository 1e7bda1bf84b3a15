package fleet

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span as a spec writes it: whole numbers with the units d, h, m and s in this order, such as "1h30m".
type Duration string

var durationRe = regexp.MustCompile(`^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?$`)

// Parse returns the span. The empty string and anything else than the form above is an error.
func (d Duration) Parse() (time.Duration, error) {
	m := durationRe.FindStringSubmatch(string(d))
	if m == nil || d == "" {
		return 0, fmt.Errorf("%q is not a duration", string(d))
	}
	var sum time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil || n > int64(1<<62)/int64(unit) {
			return 0, fmt.Errorf("%q is too long", string(d))
		}
		sum += time.Duration(n) * unit
		if sum < 0 {
			return 0, fmt.Errorf("%q is too long", string(d))
		}
	}
	return sum, nil
}

// Size is a number of bytes as a spec writes it: a whole number with K, M, G or T (powers of 1024), or none.
type Size string

var sizeRe = regexp.MustCompile(`^(\d{1,15})([KMGT]?)$`)

// Parse returns the number of bytes.
func (s Size) Parse() (uint64, error) {
	m := sizeRe.FindStringSubmatch(string(s))
	if m == nil {
		return 0, fmt.Errorf("%q is not a size", string(s))
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size", string(s))
	}
	shift := 10 * (strings.Index("KMGT", m[2]) + 1)
	if m[2] == "" {
		shift = 0
	}
	if hi, lo := bits.Mul64(n, 1<<shift); hi == 0 {
		return lo, nil
	}
	return 0, fmt.Errorf("%q is too large", string(s))
}
