package spec

import "fleet/schemas/policy"

// harnessKeys are an agent's keys whose values only its own harness understands.
var harnessKeys = []string{"model", "effort", "permissions", "provider", "login"}

// rehearseEgress lists the trial's web server, and takes away what there is no way to in a throwaway machine.
func rehearseEgress(top map[string]any) {
	if top["egress"] == nil {
		top["egress"] = map[string]any{}
	}
	egress, ok := top["egress"].(map[string]any)
	if !ok {
		return // the schema will say what is wrong with it
	}
	for _, key := range []string{"dns", "upstream", "upstreamResolves"} {
		delete(egress, key)
	}
	if egress["allow"] == nil {
		egress["allow"] = []any{}
	}
	if list, ok := egress["allow"].([]any); ok {
		egress["allow"] = append(list, policy.TrialName)
	}
}

// rehearsed returns the document with every agent's harness replaced, for a trial without accounts. "" changes nothing.
func rehearsed(doc any, harness string) any {
	top, ok := doc.(map[string]any)
	if !ok || harness == "" {
		return doc
	}
	if defaults, ok := top["defaults"].(map[string]any); ok {
		for _, key := range harnessKeys {
			delete(defaults, key)
		}
	}
	rehearseEgress(top)
	agents, _ := top["agents"].(map[string]any)
	for _, v := range agents {
		agent, ok := v.(map[string]any)
		if !ok {
			continue // the schema will say what is wrong with it
		}
		agent["harness"] = harness
		for _, key := range harnessKeys {
			delete(agent, key)
		}
	}
	return doc
}
