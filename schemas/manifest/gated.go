package manifest

// Gated returns the keys of everybody with a way out: the agents that are enabled, then the sidecars.
func (m *Manifest) Gated() []string {
	var out []string
	for _, a := range m.Agents {
		if a.Enabled {
			out = append(out, a.Key)
		}
	}
	for _, s := range m.Sidecars {
		out = append(out, s.Key)
	}
	return out
}
