package plan

import (
	"fmt"
	"maps"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/unitfile"
)

// randomFleet returns the units of a fleet whose agents and their details are drawn by lot.
func randomFleet(r *rand.Rand) map[string]string {
	pick := func(choices ...string) string { return choices[r.Intn(len(choices))] }
	files := map[string]string{"multi-user.target.wants/fleet-d.target": ""}
	wants := "fleet-d-firewall.service"
	files["fleet-d.slice"] = "[Slice]\nTasksMax=" + pick("1", "2") + "\n"
	files["fleet-d-firewall.service"] = "[Unit]\nX-Fleet-OnChange=reload\n" +
		pick("", "X-Fleet-ReloadTrigger=1\n", "X-Fleet-ReloadTrigger=2\n") +
		"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecReload=/bin/true\n"
	for i := range 4 {
		if r.Intn(3) == 0 {
			continue
		}
		agent, net := fmt.Sprintf("fleet-d-a%d.service", i), fmt.Sprintf("fleet-d-a%d-net.service", i)
		policy := "X-Fleet-OnChange=" + pick("graceful", "graceful", "immediate", "restart") + "\n"
		key := fmt.Sprintf("X-Fleet-Agent=a%d\n", i)
		wants += " " + agent
		files[agent] = "[Unit]\n" + key + policy + pick("", "Description=x\n") +
			"Requires=" + net + pick("", " fleet-d-firewall.service") + "\nAfter=" + net + "\n" +
			"[Service]\nRestart=always\nSlice=fleet-d.slice\n" + pick("", "ExecStop=/bin/x\n", "Nice=1\n", "ProtectHome=yes\n")
		files[net] = "[Unit]\n" + key + policy + "[Service]\nType=oneshot\nRemainAfterExit=yes\n" + pick("", "", "Nice=1\n")
		if r.Intn(2) == 0 {
			socket, service := fmt.Sprintf("fleet-d-a%d-sign.socket", i), fmt.Sprintf("fleet-d-a%d-sign.service", i)
			wants += " " + pick(socket, socket, service)
			files[socket] = "[Socket]\nListenStream=" + pick("/a", "/b") + "\n"
			files[service] = "[Unit]\n" + key + "[Service]\nNice=" + pick("1", "2") + "\n"
		}
		if r.Intn(2) == 0 {
			timer := fmt.Sprintf("fleet-d-a%d-job.timer", i)
			wants += " " + timer
			files[timer] = "[Timer]\nOnCalendar=" + pick("daily", "weekly") + "\n"
			service := fmt.Sprintf("fleet-d-a%d-job.service", i)
			files[service] = "[Unit]\n" + key + "[Service]\nType=oneshot\nNice=" + pick("1", "2") + "\n"
		}
	}
	files["fleet-d.target"] = "[Unit]\nWants=" + wants + "\n"
	return files
}

// TestRandomPairs (ACT-A37) plans from any fleet to any other, applies the plan to a simulated host, and compares it
// with one that booted the new fleet. What kept its process is exactly what did not change.
func TestRandomPairs(t *testing.T) {
	for seed := range 500 {
		r := rand.New(rand.NewSource(int64(seed)))
		old, new := loadSet(t, randomFleet(r)), loadSet(t, randomFleet(r))
		host := bootSim(old, "fleet-d.target")
		for _, name := range old.Names() { // connections have come
			if len(old.TriggeredBy(name, ".socket")) > 0 && r.Intn(2) == 0 {
				host.start(name)
			}
		}
		before := started(host)
		in := Input{Old: old, New: new, Live: host.live(), Target: "fleet-d.target", Now: r.Intn(2) == 0}
		p, err := Make(in)
		if err != nil {
			t.Fatal(err)
		}
		host.apply(p, new)
		fresh, switched := running(bootSim(new, in.Target), new), running(host, new)
		if fresh["fleet-d.slice"] == "" {
			delete(switched, "fleet-d.slice") // an empty slice stays until the next boot
		}
		if diff := cmp.Diff(fresh, switched); diff != "" {
			t.Fatalf("seed %d: live state (-fresh +switched):\n%s%s", seed, diff, p)
		}
		checkUntouched(t, seed, p, before, started(host), old, new)
		in.Old, in.Live = new, host.live()
		if again, _ := Make(in); !again.Empty() {
			t.Fatalf("seed %d: a second switch is not empty:\n%s", seed, again)
		}
	}
}

// running returns what runs and from which definition, but for services that only sockets and timers start.
func running(s *sim, set *unitfile.Set) map[string]string {
	out := map[string]string{}
	for name, u := range s.units {
		if !u.active {
			continue
		}
		if len(set.TriggeredBy(name, ".socket")) > 0 {
			continue
		}
		out[name] = printed(u.definition)
	}
	return out
}

// printed leaves out what no comparison looks at.
func printed(u unitfile.Unit) string {
	u = maps.Clone(u)
	u["Unit"] = maps.Clone(u["Unit"])
	for _, key := range []string{"Description", "X-Fleet-OnChange", "X-Fleet-ReloadTrigger"} {
		delete(u["Unit"], key)
	}
	return u.String()
}

func started(s *sim) map[string]int {
	out := map[string]int{}
	for name, u := range s.units {
		out[name] = u.started
	}
	return out
}

// checkUntouched proves that a unit keeps its process exactly where nothing of it, nor of what it requires, changed.
func checkUntouched(t *testing.T, seed int, p *Plan, before, after map[string]int, old, new *unitfile.Set) {
	t.Helper()
	touched := map[string]Step{}
	for _, s := range p.Units {
		touched[s.Unit] = s
	}
	for _, name := range new.Names() {
		if kind(name) == "slice" { // has no process, and comes with its first member
			continue
		}
		s, inPlan := touched[name]
		same := before[name] == after[name]
		if !inPlan && !same {
			t.Errorf("seed %d: %s was started again though the plan does not say so:\n%s", seed, name, p)
		}
		restarts := inPlan && (s.Action == Restart || s.Action == Graceful || s.Action == Start)
		if restarts && same {
			t.Errorf("seed %d: %s kept its process though the plan says %s:\n%s", seed, name, s.Action, p)
		}
		unchanged := old.Has(name) && len(unitfile.Diff(old.Unit(name), new.Unit(name))) == 0
		if unchanged && restarts && s.Along == "" && !waitsFor(p, name) && before[name] > 0 && s.Action != Start {
			t.Errorf("seed %d: %s did not change and is restarted for no reason:\n%s", seed, name, p)
		}
	}
}

// waitsFor reports whether a unit that cannot end by itself waits for name.
func waitsFor(p *Plan, name string) bool {
	for _, s := range p.Units {
		if s.Action == Graceful && s.Along == name {
			return true
		}
	}
	return false
}
