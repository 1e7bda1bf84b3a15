//go:build machine

package faults

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"fleet/schemas/manifest"
)

// look prints what is so of project $1, without any program of fleet's. Each line is a word and its value.
const look = `
p=$1
end() { t=$(readlink "$2" 2>/dev/null) || :; echo "$1 ${t##*/}"; }
end active /run/fleet/$p/active
for l in boot boot.1 boot.2; do
	end $l /etc/fleet/$p/$l
	[ -L /etc/fleet/$p/$l ] || continue
	( cd /etc/fleet/$p/$l && sha256sum --strict --quiet -c files.sha256 && sha256sum --strict --quiet -c store.sha256 ) \
		>/dev/null 2>&1 && echo "whole $l" || echo "damaged $l"
done
sed -n 's/^X-Fleet-Generation=/anchor /p' /run/systemd/generator/fleet-$p-anchor.service 2>/dev/null || :
find /etc/fleet/$p /var/lib/fleet/$p /var/lib/fleet/store -maxdepth 2 \
	\( -name '.incoming-*' -o -name '.trash-*' -o -name '*.new' \) -printf 'leftover %p\n' 2>/dev/null || :
find /run/fleet/$p -maxdepth 1 -name '.*' -printf 'leftover %p\n' 2>/dev/null || :
find /var/lib/fleet/$p/txn /run/fleet/$p/txn -mindepth 1 -maxdepth 1 ! -name '*.json' -printf 'part %f\n' \
	2>/dev/null || :
find /var/lib/fleet/$p/txn -name '*.json' -printf 'txn %f\n' 2>/dev/null || :
find /run/systemd/system -name '*fleet-hold.conf' -path "*fleet-$p-*" -printf 'held %p\n' 2>/dev/null || :
for u in /run/fleet/$p/units/*; do [ ! -f "$u" ] || { read -r d i <"$u"; echo "ran ${u##*/} $d $i"; }; done
systemctl show -p Id,LoadState,ActiveState,InvocationID,NeedDaemonReload "fleet-$p[.-]*" "fleetdeadman-$p-*" | awk -F= '
	NF == 0 && id { print "unit", id, s; id = s = "" } NF == 0 { next }
	$1 == "Id" { id = $2; next } { s = s " " $1 "=" $2 } END { if (id) print "unit", id, s }'
nft list tables | awk -v t="fleet_$p" '$3 == t { print "table", t }'
`

// facts are what is so of a project at one time.
type facts struct {
	active, boot, anchor string
	one                  map[string]string   // single words: boot.1, boot.2
	many                 map[string][]string // damaged, leftover, txn, held, table
	units                map[string]map[string]string
	ran                  map[string][2]string // digest, invocation
}

func (h *host) facts(project string) facts {
	h.t.Helper()
	f := facts{
		one: map[string]string{}, many: map[string][]string{},
		units: map[string]map[string]string{}, ran: map[string][2]string{},
	}
	for line := range strings.Lines(h.MustRun("sh", "-uc", look, "sh", project)) {
		w := strings.Fields(line)
		switch {
		case len(w) == 0:
		case w[0] == "unit":
			f.units[w[1]] = assignments(w[2:])
		case w[0] == "ran":
			f.ran[w[1]] = [2]string{w[2], w[3]}
		case len(w) == 1:
			f.one[w[0]] = ""
		default:
			f.one[w[0]] = w[1]
			f.many[w[0]] = append(f.many[w[0]], w[1])
		}
	}
	f.active, f.boot, f.anchor = f.one["active"], f.one["boot"], f.one["anchor"]
	return f
}

func assignments(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		out[k] = v
	}
	return out
}

// always tells what must be so at any instant: what boots is a complete generation.
func (f facts) always() []string {
	var bad []string
	for _, d := range f.many["damaged"] {
		bad = append(bad, d+" is not whole")
	}
	return bad
}

// settled tells what must be so when generation n, made of m, is live and nothing is under way: the links, the units
// that systemd has, that those run which should, from the texts of m, and that no other does.
func (f facts) settled(n string, m *manifest.Manifest) []string {
	bad := f.always()
	expect := func(what, got, want string) {
		if got != want {
			bad = append(bad, fmt.Sprintf("%s is %q, must be %q", what, got, want))
		}
	}
	expect("active", f.active, n)
	expect("boot", f.boot, n)
	expect("anchor", f.anchor, n)
	expect("held timers", strings.Join(f.many["held"], " "), "")
	expect("table", strings.Join(f.many["table"], " "), "fleet_"+m.Project)
	return append(bad, f.runs(m)...)
}

// runs compares the units that run with those that the generation has run.
func (f facts) runs(m *manifest.Manifest) []string {
	var bad []string
	known := map[string]manifest.Unit{"fleet-" + m.Project + "-anchor.service": {}}
	for _, u := range m.Units {
		known[u.Name] = u
		switch got := f.units[u.Name]; {
		case !mustRun(u.Name, m):
		case got["ActiveState"] != "active" || got["LoadState"] != "loaded" || got["NeedDaemonReload"] != "no":
			bad = append(bad, fmt.Sprintf("%s: %v", u.Name, got))
		case f.ran[u.Name][0] != u.Digest && strings.HasSuffix(u.Name, ".service") && !reloads(u.Name):
			bad = append(bad, fmt.Sprintf("%s runs from %s, not from %s", u.Name, f.ran[u.Name][0], u.Digest))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.units)) {
		_, ok := known[name]
		if ok = ok || strings.HasPrefix(name, "fleetdeadman-"); !ok && f.units[name]["ActiveState"] != "inactive" {
			bad = append(bad, fmt.Sprintf("%s should not be here: %v", name, f.units[name]))
		}
	}
	return bad
}

// left tells what interrupted switches left. There must be nothing once a switch has gone through.
func (f facts) left() []string {
	return slices.Concat(f.many["txn"], f.many["part"], f.many["leftover"], f.deadMen())
}

// deadMen tells which timers still wait to undo a switch.
func (f facts) deadMen() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f.units)) {
		if strings.HasPrefix(name, "fleetdeadman-") && f.units[name]["ActiveState"] != "inactive" {
			out = append(out, name+" is "+f.units[name]["ActiveState"])
		}
	}
	return out
}

// reloads reports whether the unit is only ever reloaded, so that what it was started from says nothing.
func reloads(unit string) bool { return strings.HasSuffix(unit, "-firewall.service") }

// mustRun reports whether the unit is active while its generation is live: not what is started by hand, by a timer or
// by the health window, and nothing of an agent that is disabled.
func mustRun(unit string, m *manifest.Manifest) bool {
	for _, pattern := range []string{"*@.service", "*-gate.service", "*-job-*.service", "*-probe.service", "*-watchdog.service"} {
		if ok, _ := path.Match(pattern, unit); ok {
			return false
		}
	}
	return !slices.ContainsFunc(m.Agents, func(a manifest.Agent) bool {
		return !a.Enabled && strings.HasPrefix(unit, strings.TrimSuffix(a.Unit, ".service"))
	})
}
