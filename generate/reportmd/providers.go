package reportmd

import (
	"cmp"
	"slices"
	"strings"

	"fleet/generate/model"
)

// providers says where models are asked instead of at the vendors of harnesses.
func providers(b *strings.Builder, m *model.Fleet) {
	asked := map[model.Provider][]string{}
	for _, a := range enabled(m) {
		if a.Provider != nil {
			p := *a.Provider
			p.Model = "" // each agent has its own
			asked[p] = append(asked[p], a.Key)
		}
	}
	if len(asked) == 0 {
		return
	}
	b.WriteString("\n## Providers of models\n\nTheir agents do not reach the vendors of their harnesses.\n\n")
	table(b, []string{"provider", "kind", "asked by", "at", "opened by", "note"})
	var all []model.Provider
	for p := range asked {
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y model.Provider) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.URL, y.URL)) })
	for _, p := range all {
		row(b, p.Name, p.Kind, list(asked[p]), p.URL, cmp.Or(p.Secret, "nothing"), p.Note)
	}
}
