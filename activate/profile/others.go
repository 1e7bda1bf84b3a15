package profile

import "fleet/schemas/manifest"

// Others returns the manifests of what is live of the host's other projects. One that cannot be read is left out: it is
// that project's own trouble, and no reason to leave this one as it is.
func (p *Profile) Others() ([]*manifest.Manifest, error) {
	names, err := p.Projects()
	if err != nil {
		return nil, err
	}
	var out []*manifest.Manifest
	for _, name := range names {
		other := Profile{Layout: Layout{Root: p.Root, Project: name}, fx: p.fx}
		if name == p.Project {
			continue
		}
		n, err := other.Active()
		if err != nil || n == 0 {
			continue
		}
		if m, err := other.Read(n); err == nil {
			out = append(out, m)
		}
	}
	return out, nil
}
