package unitfile

import (
	"regexp"
	"slices"
)

// storeName matches a path in the host's store whole, with the name that the file had in its generation.
var storeName = regexp.MustCompile(`/var/lib/fleet/store/[0-9a-f]{32}-([A-Za-z0-9_.@-]+)`)

// Contents splits changes into the names of files whose content changed, sorted, and what else did: a unit names what it
// runs and reads by content, and a person is told of the file, not of its digest.
func Contents(changes []Change) (names []string, rest []Change) {
	for _, c := range changes {
		if !slices.Equal(plain(c.Old), plain(c.New)) {
			rest = append(rest, c)
			continue
		}
		old := paths(c.Old)
		for path, name := range paths(c.New) {
			if _, known := old[path]; !known && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, rest
}

// plain returns the values without digests, sorted: mounts are in the order of their digests.
func plain(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, storeName.ReplaceAllString(v, "$1"))
	}
	slices.Sort(out)
	return out
}

// paths returns the names of the paths in the store.
func paths(values []string) map[string]string {
	out := map[string]string{}
	for _, v := range values {
		for _, m := range storeName.FindAllStringSubmatch(v, -1) {
			out[m[0]] = m[1]
		}
	}
	return out
}
