package cron

import (
	"fmt"
	"math/bits"
	"strings"
)

// set holds numbers from 0 to 63, as bits.
type set uint64

func between(low, high, step int) set {
	var out set
	for v := low; v <= high; v += step {
		out |= 1 << v
	}
	return out
}

func (s set) has(v int) bool { return s>>v&1 == 1 }

func (s set) size() int { return bits.OnesCount64(uint64(s)) }

// values are the numbers in order.
func (s set) values() []int {
	var out []int
	for v := range 64 {
		if s.has(v) {
			out = append(out, v)
		}
	}
	return out
}

// sundays makes 7 the 0 that it stands for.
func (s set) sundays() set {
	if s.has(7) {
		s |= 1
	}
	return s &^ (1 << 7)
}

// runs are the numbers as ranges, ends included; two neighbours are two ranges.
func (s set) runs() [][2]int {
	var out [][2]int
	for v := 0; v < 64; v++ {
		if !s.has(v) {
			continue
		}
		end := v
		for end < 63 && s.has(end+1) {
			end++
		}
		if end == v+1 {
			end = v
		}
		out = append(out, [2]int{v, end})
		v = end
	}
	return out
}

// repetition tells whether the set is all of START/STEP up to high, in three values or more.
func (s set) repetition(high int) (start, step int, ok bool) {
	all := s.values()
	if len(all) < 3 {
		return 0, 0, false
	}
	start, step = all[0], all[1]-all[0]
	return start, step, step > 1 && s == between(start, high, step)
}

// chain writes a set as one part of a calendar event. A repetition is written as one only where it comes out even, as
// 00/15 does: after 23:56, systemd 252 makes *:00/7 come at 00:07 and leaves midnight out.
func (s set) chain(low, high int) string {
	if s == between(low, high, 1) {
		return "*"
	}
	if start, step, ok := s.repetition(high); ok && low == 0 && (high+1)%step == 0 {
		return fmt.Sprintf("%02d/%d", start, step)
	}
	var parts []string
	for _, r := range s.runs() {
		text := fmt.Sprintf("%02d", r[0])
		if r[1] > r[0] {
			text += fmt.Sprintf("..%02d", r[1])
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}
