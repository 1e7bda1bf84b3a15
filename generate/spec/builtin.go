package spec

import (
	"maps"
	"slices"
)

// builtin is what each spec is read by: the schema, and the data of the library that needs no import. It is for one reading
// alone: the compiled schema is not small, and what follows a reading wants its room.
type builtin struct {
	schema      *schemas
	harnesses   map[string]any
	credentials map[string]any // keys of secrets by the names of known credentials
}

func loadBuiltin() (*builtin, error) {
	harnesses, err := builtinHarnesses()
	if err != nil {
		return nil, err
	}
	credentials, err := builtinData("credentials.libsonnet")
	if err != nil {
		return nil, err
	}
	return &builtin{parseSchema(), harnesses, credentials}, nil
}

// names returns the names of the known credentials, sorted.
func (b *builtin) names() []string { return slices.Sorted(maps.Keys(b.credentials)) }

// placeKeys say where in a request a secret stands: whoever writes one of them means no other.
var placeKeys = []string{"header", "bearer", "basic", "query", "sigv4"}

// known returns the secrets of a spec with what is known of them filled in.
func (b *builtin) known(secrets any) any {
	own, ok := secrets.(map[string]any)
	if !ok {
		return secrets
	}
	out := map[string]any{}
	for name, v := range own {
		out[name] = v
		s, ok := v.(map[string]any)
		if disposition, given := s["disposition"]; !ok || given && disposition != "broker" {
			continue
		}
		like, given := s["like"].(string)
		if !given {
			like = name
		}
		from, ok := b.credentials[like].(map[string]any)
		if !ok {
			continue
		}
		from = maps.Clone(from)
		if slices.ContainsFunc(placeKeys, func(key string) bool { return s[key] != nil }) {
			for _, key := range placeKeys {
				delete(from, key)
			}
		}
		out[name] = merge(from, s)
	}
	return out
}
