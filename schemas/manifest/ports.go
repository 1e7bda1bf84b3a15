package manifest

import (
	"strconv"
	"strings"
)

// PortRange reads the "FROM-TO" of an agent's loopback ports. "" is an empty range, and what cannot be read is every
// port.
func PortRange(s string) [2]int {
	if s == "" {
		return [2]int{1, 0}
	}
	from, to, _ := strings.Cut(s, "-")
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	if errA != nil || errB != nil {
		return [2]int{0, 1 << 16}
	}
	return [2]int{a, b}
}
