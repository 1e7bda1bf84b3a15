package suggest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fleet/schemas/fleet"
)

// Agent is what is suggested for one agent, or for a sidecar.
type Agent struct {
	Key     string             `json:"agent"`
	Sidecar bool               `json:"sidecar,omitempty"` // Key is a sidecar's name in the spec
	Allow   []fleet.EgressRule `json:"allow"`
	LeftOut []string           `json:"leftOut"`
}

// Jsonnet writes the lists as an object that is added to a spec with "+".
func Jsonnet(all []Agent) string {
	var b strings.Builder
	b.WriteString("{\n")
	section(&b, "agents", all, false)
	if slices.ContainsFunc(all, func(a Agent) bool { return a.Sidecar }) {
		section(&b, "sidecars", all, true)
	}
	b.WriteString("}\n")
	return b.String()
}

func section(b *strings.Builder, name string, all []Agent, sidecars bool) {
	fmt.Fprintf(b, "  %s+: {\n", name)
	for _, a := range all {
		if a.Sidecar != sidecars {
			continue
		}
		for _, l := range a.LeftOut {
			fmt.Fprintf(b, "    // left out of %s: %s\n", a.Key, l)
		}
		if len(a.Allow) == 0 {
			fmt.Fprintf(b, "    // %s: nothing to add\n", a.Key)
			continue
		}
		fmt.Fprintf(b, "    %s+: { egress+: { allow+: [\n", quote(a.Key))
		for _, r := range a.Allow {
			fmt.Fprintf(b, "      %s,\n", rule(r))
		}
		b.WriteString("    ] } },\n")
	}
	b.WriteString("  },\n")
}

func rule(r fleet.EgressRule) string {
	plain := r.Protocol == "" && len(r.Methods)+len(r.Paths) == 0
	switch {
	case plain && len(r.Ports) == 0:
		return quote(r.Host)
	case plain && len(r.Ports) == 1:
		return quote(fmt.Sprintf("%s:%d", r.Host, r.Ports[0]))
	}
	parts := []string{"host: " + quote(r.Host)}
	if len(r.Ports) > 0 {
		parts = append(parts, "ports: "+strings.ReplaceAll(fmt.Sprint(r.Ports), " ", ", "))
	}
	if r.Protocol != "" {
		parts = append(parts, "protocol: "+quote(r.Protocol))
	}
	if len(r.Methods) > 0 {
		parts = append(parts, "methods: "+list(r.Methods))
	}
	if len(r.Paths) > 0 {
		parts = append(parts, "paths: "+list(r.Paths))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func list(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a string as fleet fmt has it, where it needs no escape.
func quote(s string) string {
	if !strings.ContainsAny(s, `'\`) && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "'" + s + "'"
	}
	b, _ := json.Marshal(s) // which fails for no string
	return string(b)
}
