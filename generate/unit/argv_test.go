//go:build machine

package unit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/report"
)

// TestMachineQuoting has the real systemd read what the writer wrote: each service dumps the arguments and variables
// that it got, and what it sees at a bind mount.
func TestMachineQuoting(t *testing.T) {
	h := boot(t)
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	h.write(helper, string(data), 0o755)
	want := map[string][]string{}
	var units []string
	for i, v := range hostileValues {
		name := "fleet-x-" + strconv.Itoa(i) + ".service"
		argv := []string{v, "-", hostileValues[(i*7+3)%len(hostileValues)]}
		text, ok := quotingUnit(t, name, i, argv)
		if !ok {
			continue // refused, which other tests look at
		}
		h.write("/etc/systemd/system/"+name, text, 0o644)
		units, want[name] = append(units, name), argv
	}
	if len(units) < 20 {
		t.Fatalf("only %d values can be written", len(units))
	}
	h.run("mkdir", "-p", "/srv/a b", "/srv/100%", "/run/out")
	h.write("/srv/a b/name", "space", 0o644)
	h.write("/srv/100%/name", "percent", 0o644)
	if out, _ := h.try(append([]string{"systemd-analyze", "verify"}, units...)...); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	h.run("systemctl", "daemon-reload")
	h.run(append([]string{"systemctl", "start"}, units...)...)
	for _, name := range units {
		h.compare(t, name, want[name])
	}
}

func quotingUnit(t *testing.T, name string, i int, argv []string) (string, bool) {
	t.Helper()
	var r report.Report
	u := New("fleet-x-"+"q.service", "test", &r)
	s := u.Section("Unit")
	s.Text("Description", "quoting "+strconv.Itoa(i)+" %n "+name)
	s = u.Section("Service")
	s.Words("Type", "oneshot")
	s.Env(insideEnv, "dump")
	s.Env("VALUE", argv[0])
	for _, dir := range []string{"/srv/a b", "/srv/100%"} {
		s.Bind(Bind{Source: dir, Target: "/mnt/" + filepath.Base(dir)})
	}
	fold := 0
	if i%2 == 1 {
		fold = 2
	}
	s.Exec("ExecStart", Command{Argv: append([]string{helper, "/run/out/" + name}, argv...), Fold: fold})
	return string(u.Text()), !r.Failed()
}

func (h *host) compare(t *testing.T, name string, argv []string) {
	t.Helper()
	var got struct{ Args, Env, Seen []string }
	if err := json.Unmarshal([]byte(h.run("cat", "/run/out/"+name)), &got); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if diff := cmp.Diff(argv, got.Args); diff != "" {
		t.Errorf("%s: arguments (-written +got):\n%s", name, diff)
	}
	if !slices.Contains(got.Env, "VALUE="+argv[0]) {
		t.Errorf("%s: no VALUE=%q in %q", name, argv[0], got.Env)
	}
	if diff := cmp.Diff([]string{"space", "percent"}, got.Seen); diff != "" {
		t.Errorf("%s: bind mounts (-wanted +got):\n%s", name, diff)
	}
	if d := h.run("systemctl", "show", "-P", "Description", name); !strings.Contains(d, "%n "+name) {
		t.Errorf("%s: description %q", name, d)
	}
}
