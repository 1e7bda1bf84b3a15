package unit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Units of a generation must not wait for each other in a circle: systemd breaks one at boot by leaving out one of its
// units, any. The order that systemd adds by itself is that of systemd.service(5), systemd.socket(5), systemd.timer(5),
// systemd.path(5), systemd.target(5) and bootup(7).
func TestUnitsAreInOrder(t *testing.T) {
	trees, err := filepath.Glob("../../golden/*/tree/units")
	if err != nil || len(trees) < 10 {
		t.Fatalf("%d golden trees, %v", len(trees), err)
	}
	for _, dir := range trees {
		units, err := filepath.Glob(dir + "/*.*")
		if err != nil {
			t.Fatal(err)
		}
		o := order{"basic.target": {"sysinit.target", "sockets.target", "paths.target", "slices.target"}}
		for _, path := range units {
			name := filepath.Base(path)
			if wanted, err := os.ReadDir(path); err == nil { // NAME.wants and its like, which only targets are after
				for _, e := range wanted {
					if by := strings.TrimSuffix(name, filepath.Ext(name)); filepath.Ext(by) == ".target" {
						o.put(e.Name(), by)
					}
				}
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o.read(t, name, string(text))
		}
		if circle := o.circle(); circle != nil {
			t.Errorf("%s: %s", dir, strings.Join(circle, " after "))
		}
	}
}

func TestCircleOfUnits(t *testing.T) {
	o := order{"basic.target": {"sockets.target"}}
	o.read(t, "a.socket", "[Unit]\nAfter=net.service\n")
	o.read(t, "net.service", "[Unit]\n")
	want := []string{"a.socket", "net.service", "basic.target", "sockets.target", "a.socket"}
	if got := o.circle(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	late := order{"basic.target": {"sockets.target"}}
	late.read(t, "a.socket", "[Unit]\nDefaultDependencies=no\nAfter=net.service\n")
	late.read(t, "net.service", "[Unit]\n")
	if got := late.circle(); got != nil {
		t.Errorf("%q", got)
	}
}

// order tells for each unit after which others it starts.
type order map[string][]string

func (o order) put(first, then string) { o[then] = append(o[then], first) }

// read takes the order that the text of a unit, its own name aside, asks for.
func (o order) read(t *testing.T, name, text string) {
	t.Helper()
	lines, err := readUnit(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	byDefault := true
	for _, a := range lines {
		for _, other := range strings.Fields(a.Value) {
			switch a.Key {
			case "After", "Sockets":
				o.put(other, name)
			case "Before", "Service":
				o.put(name, other)
			case "DefaultDependencies":
				byDefault = other != "no"
			}
		}
	}
	if !byDefault {
		return
	}
	o.put("sysinit.target", name)
	switch filepath.Ext(name) {
	case ".service":
		o.put("basic.target", name)
	case ".socket":
		o.put(name, "sockets.target")
	case ".timer":
		o.put(name, "timers.target")
	case ".path":
		o.put(name, "paths.target")
	}
}

// circle returns units of which each is after the next and the last is the first, or nil.
func (o order) circle() []string {
	done := map[string]bool{}
	var path []string
	var visit func(string) []string
	visit = func(name string) []string {
		if i := slices.Index(path, name); i >= 0 {
			return append(path[i:], name)
		}
		if done[name] {
			return nil
		}
		path = append(path, name)
		for _, before := range o[name] {
			if c := visit(before); c != nil {
				return c
			}
		}
		path, done[name] = path[:len(path)-1], true
		return nil
	}
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if c := visit(name); c != nil {
			return c
		}
	}
	return nil
}
