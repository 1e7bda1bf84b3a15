package plan

import (
	"maps"
	"slices"

	"fleet/activate/unitfile"
)

// Reach returns, sorted, the units of a generation that run where nobody has stopped anything: what its target pulls in
// and what that requires.
func Reach(s *unitfile.Set, target string) []string {
	return slices.Sorted(maps.Keys(reach(s, target)))
}
