//go:build machine

package contain

// groups are attempts by the prompt that asks for them. They are made in this order, as whoever is named.
var groups = map[string]func(who string) []attempt{
	"E9":    together(families, configuration, packets),
	"E10":   link,
	"E12":   together(services, others),
	"E13":   spawn,
	"E14":   rights,
	"E15":   control,
	"E28":   ring,
	"joins": joins,
	"leave": leave,
	"find":  find,
	"own":   ownServer,
}

// acts are what else an agent can be told to do.
var acts = map[string]func(args []string){
	"idle":         func([]string) {},
	"begin":        begin,
	"ghost":        ghost,
	"tree":         tree,
	"litter":       litter,
	"forget":       forget,
	"kill-others":  killOthers,
	"kill":         killRunner,
	"obstruct":     obstruct,
	"instructions": instructions,
	"lure":         lure,
	"fingerprint":  fingerprint,
}

func together(parts ...func(string) []attempt) func(string) []attempt {
	return func(who string) []attempt {
		var out []attempt
		for _, p := range parts {
			out = append(out, p(who)...)
		}
		return out
	}
}
