package calendar

import (
	_ "embed" // zone names
	"slices"
	"strings"
	"sync"
)

// zoneNames are the names of the IANA time zone database, sorted, one on each line. They are embedded, so that the same
// spec is valid on every machine; a host that lacks one refuses the unit that names it.
//
//go:embed zones.txt
var zoneNames string

var zones = sync.OnceValue(func() []string { return strings.Fields(zoneNames) })

// Zones returns the names of all time zones, sorted. The caller must not change them.
func Zones() []string { return zones() }

// IsZone says whether name is the name of a time zone.
func IsZone(name string) bool {
	_, ok := slices.BinarySearch(zones(), name)
	return ok
}
