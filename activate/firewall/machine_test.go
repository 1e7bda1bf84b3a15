//go:build machine

package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fleet/activate/system"
)

// These tests load rules into the kernel, in a network namespace, a /run and a tree of control groups of their own. They
// need root. The ruleset and the holder are the generator's own.
const inside = "FLEET_FIREWALL_INSIDE"

const (
	project = "demo"
	script  = "../../generate/nft/firewall.sh"
	example = "../../generate/nft/testdata/user.nft"
)

var groups = []string{"fleet.slice/fleet-demo.slice", "fleet.slice"}

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(insideMain(m))
	}
	c := exec.Command("unshare", append([]string{
		"--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "/bin/sh", "-c", `"$@"`, "sh",
	}, os.Args...)...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func insideMain(m *testing.M) int {
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"),
		unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""),
		os.MkdirAll(filepath.Join(cgroupRoot, groups[0]), 0o755))
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		return 1
	}
	defer func() {
		for _, dir := range groups {
			unix.Rmdir(filepath.Join(cgroupRoot, dir))
		}
	}()
	return m.Run()
}

func nft(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("nft", args...).CombinedOutput(); err != nil {
		t.Fatalf("nft %q: %v\n%s", args, err, out)
	}
}

// ruleset writes the demo's ruleset, edited, and returns its path.
func ruleset(t *testing.T, edit func(string) string) string {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "demo.nft")
	text := edit(string(data))
	if err := os.WriteFile(path, []byte(text), 0o444); err != nil {
		t.Fatal(err)
	}
	return path
}

func asIs(s string) string { return s }

// hold starts the holder and ends it with the test.
func hold(t *testing.T, file string) {
	t.Helper()
	c := exec.Command("/bin/sh", script, file)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		c.Wait()
		Withdraw(context.Background(), system.Real{}, script, file)
	})
	w := exec.Command("/bin/sh", script, "wait", file)
	w.Env = append(os.Environ(), "MAINPID="+strconv.Itoa(c.Process.Pid))
	if out, err := w.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func drift(t *testing.T, file string) []string {
	t.Helper()
	d, err := Drift(context.Background(), project, file)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNoDrift(t *testing.T) {
	file := ruleset(t, asIs)
	if diff := cmp.Diff([]string{"table inet fleet_demo is missing", "table inet fleet_demo_held is missing"}, drift(t, file)); diff != "" {
		t.Error(diff)
	}
	if err := Load(context.Background(), system.Real{}, script, file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"table inet fleet_demo_held is missing"}, drift(t, file)); diff != "" {
		t.Error(diff)
	}
	hold(t, file)
	for range 2 {
		if d := drift(t, file); len(d) > 0 {
			t.Errorf("%q", d)
		}
		if err := Load(context.Background(), system.Real{}, script, file); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever another program changes in the table that it can change is seen.
func TestDrift(t *testing.T) {
	file := ruleset(t, asIs)
	hold(t, file)
	for cmd, want := range map[string]string{
		"flush chain inet fleet_demo refuse":                                      "chain refuse: has 0 rules instead of 4",
		"add rule inet fleet_demo output accept":                                  "chain output: has 4 rules instead of 3",
		"insert rule inet fleet_demo agent meta skuid 70001 accept":               "chain agent: has 7 rules instead of 6",
		"replace rule inet fleet_demo refuse handle HANDLE accept":                "chain refuse: rule 1 differs",
		"delete element inet fleet_demo agents { 70001 : goto refuse }":           "set agents: 1 elements are missing and 0 are foreign",
		"add element inet fleet_demo agents { 70009 : accept }":                   "set agents: 0 elements are missing and 1 are foreign",
		"add element inet fleet_demo ports { 70005 . 1-65535 : accept }":          "set ports: 0 elements are missing and 1 are foreign",
		"add element inet fleet_demo local_ports { 22 }":                          "set local_ports: 0 elements are missing and 2 are foreign",
		"flush set inet fleet_demo slice":                                         "set slice: 1 elements are missing and 0 are foreign",
		"add chain inet fleet_demo more { type filter hook output priority -5; }": "chain more is foreign",
		"add set inet fleet_demo more { type uid; }":                              "set more is foreign",
		"add counter inet fleet_demo more":                                        "counter more is foreign",
		"add chain inet fleet_demo output { policy drop; }":                       "chain output has another hook, priority or policy",
		"add table inet fleet_demo { flags dormant; }":                            "is switched off (dormant)",
	} {
		t.Run(want, func(t *testing.T) {
			cmd := cmd
			if strings.Contains(cmd, "HANDLE") {
				out, err := exec.Command("nft", "-a", "list", "chain", "inet", "fleet_demo", "refuse").Output()
				if err != nil {
					t.Fatal(err)
				}
				_, rest, _ := strings.Cut(string(out), "@counters # handle ")
				handle, _, _ := strings.Cut(rest, "\n")
				cmd = strings.Replace(cmd, "HANDLE", handle, 1)
			}
			nft(t, cmd)
			if diff := cmp.Diff([]string{"table inet fleet_demo: " + want}, drift(t, file)); diff != "" {
				t.Error(diff)
			}
			if err := Load(context.Background(), system.Real{}, script, file); err != nil {
				t.Fatal(err)
			}
			if d := drift(t, file); len(d) > 0 {
				t.Errorf("after a load: %q", d)
			}
		})
	}
}

// The same count and place, but another meaning: rules are compared whole.
func TestDriftInRule(t *testing.T) {
	file := ruleset(t, asIs)
	for old, edit := range map[string]string{
		"meta skuid 70000-99999 goto":            "meta skuid 70000-99998 goto",
		"level 1 @fleet socket":                  "level 1 @slice socket",
		`oif "lo" tcp`:                           `iif "lo" tcp`,
		"syn | ack ) != syn tcp dport":           "syn | ack ) != ack tcp dport",
		"5000-5010 : accept":                     "5000-5011 : accept",
		`70001 : "agent_lead"`:                   `70001 : "agent_worker"`,
		"70001 : goto refuse":                    "70001 : goto local",
		"tcp reset":                              "icmpx port-unreachable",
		"counter agent_lead {":                   "counter agent_leaf { packets 0 bytes 0 }\ncounter agent_lead {",
		"priority 0; policy accept;\n\t\t# uids": "priority 1; policy accept;\n\t\t# uids",
		"rate 6/minute burst 6 packets }":        "rate 7/minute burst 6 packets }",
		"timeout 10m":                            "timeout 11m",
	} {
		t.Run(edit, func(t *testing.T) {
			other := ruleset(t, func(s string) string {
				if !strings.Contains(s, old) {
					t.Fatalf("no %q", old)
				}
				return strings.Replace(s, old, edit, 1)
			})
			nft(t, "-f", other)
			defer nft(t, "delete table inet fleet_demo")
			want, err := reference(context.Background(), project, file)
			if err != nil {
				t.Fatal(err)
			}
			have, err := read(plainTable(project))
			if err != nil {
				t.Fatal(err)
			}
			if len(compare(want, have)) == 0 {
				t.Error("not seen")
			}
		})
	}
}

func TestCheck(t *testing.T) {
	if err := Check(context.Background(), project, ruleset(t, asIs)); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct{ add, want string }{
		"grammar":         {"nonsense\n", "syntax error"},
		"missing set":     {"add rule inet fleet_demo output ip daddr @nothing drop\n", "No such file"},
		"flush":           {"flush ruleset\n", "must leave table inet fleet_canary"},
		"another's table": {"table ip nat { }\n", "must not make table family-2 nat"},
		"another's rules": {"add rule inet fleet_canary c drop\n", "must not touch tables of others"},
		"no table":        {"delete table inet fleet_demo\n", "must leave table inet fleet_demo"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(context.Background(), project, ruleset(t, func(s string) string { return s + tc.add }))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	have, err := tables()
	if err != nil || len(have) != 0 {
		t.Errorf("left tables %v, %v", have, err)
	}
}

// ACT-B14: a load that fails leaves the old rules, and says why.
func TestLoadFails(t *testing.T) {
	file := ruleset(t, asIs)
	hold(t, file)
	bad := ruleset(t, func(s string) string { return s + "nonsense\n" })
	err := Load(context.Background(), system.Real{}, script, bad)
	if err == nil || !strings.Contains(err.Error(), "old rules stay in force") || strings.Contains(err.Error(), "<3>") {
		t.Errorf("got %v", err)
	}
	if d := drift(t, file); len(d) > 0 {
		t.Errorf("%q", d)
	}
}

// A dry run's effects load nothing.
func TestLoadThroughTheDoor(t *testing.T) {
	if err := Load(context.Background(), dry{}, script, ruleset(t, asIs)); err != nil {
		t.Fatal(err)
	}
	if have, err := tables(); err != nil || len(have) != 0 {
		t.Errorf("tables %v, %v", have, err)
	}
}

type dry struct{}

func (dry) Do(string, func() error) error { return nil }

func TestCounters(t *testing.T) {
	keys := []string{"lead", "web-dev", "worker"}
	if got, err := Counters(project, keys); err != nil || len(got) != 0 {
		t.Errorf("without tables: %v, %v", got, err)
	}
	file := ruleset(t, asIs)
	hold(t, file)
	if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
		t.Fatal(err)
	}
	for uid, n := range map[string]int{"70005": 3, "71234": 2} {
		for range n {
			exec.Command("setpriv", "--reuid="+uid, "--clear-groups", "/bin/bash", "-c", "echo >/dev/tcp/127.0.0.1/9").Run()
		}
	}
	want := map[string]uint64{"lead": 0, "web-dev": 3, "worker": 0, "retired": 2, "unnamed": 0, "inbound": 0, "gates": 0, "foreign": 0}
	check := func() {
		t.Helper()
		counts, err := Counters(project, keys)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]uint64{}
		for k, c := range counts {
			got[k] = c.Packets
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	check()
	if err := Load(context.Background(), system.Real{}, script, file); err != nil {
		t.Fatal(err)
	}
	check()
}

// Many agents: reading and comparing takes a second at most.
func TestManyElements(t *testing.T) {
	file := ruleset(t, func(s string) string {
		var b strings.Builder
		b.WriteString(s)
		for uid := range 10000 {
			fmt.Fprintf(&b, "add element inet fleet_demo agents { %d : goto refuse }\n", 80001+uid)
		}
		return b.String()
	})
	nft(t, "-f", file)
	defer nft(t, "delete table inet fleet_demo")
	began := time.Now()
	got, err := read(plainTable(project))
	if err != nil || len(got.sets["agents"].elements) != 10006 {
		t.Errorf("%d elements, %v", len(got.sets["agents"].elements), err)
	}
	t.Log(time.Since(began))
}
