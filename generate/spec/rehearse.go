package spec

// harnessKeys are an agent's keys whose values only its own harness understands.
var harnessKeys = []string{"model", "effort", "permissions"}

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
