package gates

import (
	"slices"

	"fleet/activate/agents"
)

// Pick returns the keys of those with a gate in the order of keys, each once: enabled agents, and sidecars by the keys
// that name their units. Without keys it returns all. A key that there is not is *agents.Unknown, a disabled agent that is
// named is a *report.Err.
func Pick(f *agents.Fleet, keys []string) ([]string, error) {
	all := f.Manifest.Gated()
	if len(keys) == 0 {
		return all, nil
	}
	var out, missing []string
	for i, key := range keys {
		switch {
		case slices.Contains(keys[:i], key):
		case slices.Contains(all, key):
			out = append(out, key)
		default:
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	if _, err := f.Agent(missing[0]); err != nil {
		return nil, &agents.Unknown{Key: missing[0], Have: all}
	}
	_, err := f.Pick(missing)
	return nil, err
}
