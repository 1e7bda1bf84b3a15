package settings

import (
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/generate/model"
)

// values are what the variables in one agent's settings stand for. One that stands for nothing is nil or empty.
type values map[string]any

func valuesOf(a *model.Agent, keep time.Duration) values {
	return values{
		model.InstructionsVariable: model.InsideInstructions,
		"{{permissions.mode}}":     a.Harness.Mode,
		"{{permissions.allow}}":    list(a.Permissions.Allow),
		"{{permissions.ask}}":      list(a.Permissions.Ask),
		"{{permissions.deny}}":     list(a.Permissions.Deny),
		"{{servers}}":              servers(a),
		"{{env}}":                  object(a.Harness.Env),
		"{{model}}":                a.Model,
		"{{effort}}":               a.Effort,
		"{{home}}":                 a.Home(),
		"{{transcriptDays}}":       max(1, int(keep/(24*time.Hour))), // to programs that keep them 0 means none
		"{{beat}}":                 beat,
		"{{turn}}":                 turn,
		"{{turnFailed}}":           turnFailed,
	}
}

// fill returns v with its variables replaced; false where nothing is left of it.
func (of values) fill(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		if value, ok := of[v]; ok {
			return value, !empty(value)
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true // what reads the file tells 5 from 5.0
		}
	case []any:
		out := []any{}
		for _, item := range v {
			if item, ok := of.fill(item); ok {
				out = append(out, item)
			}
		}
		return out, len(out) == len(v) || len(out) > 0
	case map[string]any:
		out := of.object(v)
		return out, len(v) == 0 || len(out) > 0
	}
	return v, true
}

func (of values) object(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		value, ok := of.fill(m[key])
		if !ok {
			continue
		}
		keys := []any{key}
		if each, ok := of[key].([]any); ok {
			keys = each
		}
		for _, k := range keys {
			if k, ok := k.(string); ok {
				out[k] = value
			}
		}
	}
	return out
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func list(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

func object(in map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		out[k] = v
	}
	return out
}

// servers are the agent's sidecars by name, in the harness's form.
func servers(a *model.Agent) map[string]any {
	out := map[string]any{}
	for _, c := range a.Calls {
		one := values{"{{name}}": c.Name, "{{url}}": address(a, c)}
		out[c.Name] = one.object(a.Harness.Server)
	}
	return out
}

// address is where the agent reaches a sidecar by HTTP.
func address(a *model.Agent, c model.Callable) string {
	return "http://" + net.JoinHostPort(a.GateAddr().String(), strconv.Itoa(c.Port)) + "/mcp"
}

// isTOML says by the name of a file in which language its object is written.
func isTOML(name string) bool { return strings.HasSuffix(name, ".toml") }
