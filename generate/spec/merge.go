package spec

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
)

// normalized returns doc with every key taken out whose value is null, but inside agents where keepNulls says so: there
// a null still has to remove what defaults would give. Whole numbers are written as such (1.0 and 1e3 are 1 and 1000).
func normalized(doc any, keepNulls bool) any {
	root, ok := doc.(map[string]any)
	if !ok {
		return normal(doc, false)
	}
	out := map[string]any{}
	for k, v := range root {
		if v != nil {
			out[k] = normal(v, keepNulls && k == "agents")
		}
	}
	return out
}

func normal(doc any, keepNulls bool) any {
	switch v := doc.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			if item != nil || keepNulls {
				out[k] = normal(item, keepNulls)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = normal(item, keepNulls)
		}
		return out
	case json.Number:
		return whole(v)
	}
	return doc
}

// whole writes a whole number without point and exponent, and any other one in its shortest form. What no float can
// hold becomes the largest one, which breaks every bound: a validator that counts exactly would fill the memory.
func whole(n json.Number) json.Number {
	if !strings.ContainsAny(string(n), ".eE") && len(n) < 20 {
		return n
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		f = math.Copysign(math.MaxFloat64, f)
	case f == math.Trunc(f) && math.Abs(f) <= 1<<53:
		return json.Number(strconv.FormatInt(int64(f), 10))
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// merge returns over laid on under: objects merge, lists and scalars replace, null removes. Neither is changed.
func merge(under, over any) any {
	o, ok := over.(map[string]any)
	if !ok {
		return over
	}
	u, _ := under.(map[string]any)
	out := maps.Clone(u)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range o {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = merge(out[k], v)
	}
	return out
}

// complete merges defaults under every agent, and what is built in under the spec's harnesses and secrets, then fills in
// the schema's defaults. doc must be valid and is not changed.
func complete(doc any, builtin *builtin) any {
	given, _ := doc.(map[string]any)
	root := map[string]any{}
	maps.Copy(root, given)
	agents := map[string]any{}
	of, _ := root["agents"].(map[string]any)
	for key, agent := range of {
		if agent != nil {
			agents[key] = merge(root["defaults"], agent)
		}
	}
	own, _ := root["harnesses"].(map[string]any)
	root["agents"], root["harnesses"] = agents, merge(builtin.harnesses, own)
	root["secrets"] = builtin.known(root["secrets"])
	delete(root, "defaults")
	return builtin.schema.root.fill(root)
}

// without returns doc less what is at the given places, so that the checks that follow see valid values only. For a
// faulty item its whole list goes, since the places of the others would move. It changes doc.
func without(doc any, places []place) any {
	for _, p := range places {
		for len(p) > 0 && strings.HasPrefix(p[len(p)-1], "[") {
			p = p[:len(p)-1]
		}
		if len(p) == 0 {
			return map[string]any{}
		}
		parent, _ := get(doc, p[:len(p)-1])
		if m, ok := parent.(map[string]any); ok {
			delete(m, p[len(p)-1])
		}
	}
	return doc
}
