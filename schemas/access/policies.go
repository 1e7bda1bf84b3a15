package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fleet/schemas/manifest"
	"fleet/schemas/policy"
)

// Policies are what the agents and sidecars of a generation may reach, by their keys. One that has none reaches nothing.
type Policies map[string]*policy.Policy

// PolicyPath is where an agent's policy stands in a generation.
func PolicyPath(key string) string { return "agents/" + key + "/" + policy.FileName }

// ReadPolicies reads the policies of all that have a way out, from the folder of a generation. A nil manifest has none.
func ReadPolicies(dir string, m *manifest.Manifest) (Policies, error) {
	out := Policies{}
	if m == nil {
		return out, nil
	}
	for _, key := range m.Gated() {
		p, err := readPolicy(filepath.Join(dir, PolicyPath(key)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // of a time when no agent had a way out
		}
		if err != nil {
			return nil, err
		}
		out[key] = p
	}
	return out, nil
}

func readPolicy(path string) (*policy.Policy, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, policy.MaxSize+1))
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
