//go:build machine

package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/manifest/manifesttest"
)

// insideEnv tells this test program that it runs in the machine.
const insideEnv = "FLEET_TEST_INSIDE"

// TestMachine runs the cases in a machine, whose sudoers and users they change.
func TestMachine(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		for name, test := range cases {
			t.Run(name, test)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := machinetest.New(t, machinetest.Options{Bare: true, Options: machine.Options{
		Files: []machine.File{{Outside: self, Inside: "/usr/local/bin/lint.test"}},
	}})
	out, exit := m.Try("env", insideEnv+"=1", "/usr/local/bin/lint.test", "-test.run=^TestMachine$", "-test.v")
	if exit != 0 || strings.Count(out, "--- PASS: TestMachine/") != len(cases) {
		t.Errorf("exit status %d\n%s", exit, out)
	}
}

var cases = map[string]func(*testing.T){
	"good":              testGood,
	"ACT-B13 units":     testUnits,
	"ACT-B14 rules":     testRules,
	"ACT-B15 sudoers":   testSudoers,
	"ACT-B15 losses":    testLosses,
	"sudoers not read":  testNotRead,
	"host's own damage": testHostDamage,
}

// good is a tree in which nothing is wrong.
func good() *manifesttest.Tree {
	tree := manifesttest.New("demo")
	tree.File("nftables/demo.nft", "0444", "table inet fleet_demo\ndelete table inet fleet_demo\ntable inet fleet_demo {\n\tchain c {\n\t}\n}\n")
	tree.File("agents/lead/ops/start", "0555", "#!/bin/sh\n")
	fragment(tree, "%fleet-operators ALL = (root) NOPASSWD: "+tree.Store("agents/lead/ops/start")+" \"\"\n")
	return tree
}

func fragment(tree *manifesttest.Tree, text string) {
	tree.File("sudoers.d/demo", "0440", "# fleet\n"+text)
}

func service(tree *manifesttest.Tree, text string) {
	tree.Unit("fleet-demo-lead.service", "lead", "graceful", "[Unit]\nRequires=fleet-demo-anchor.service\n"+text)
}

// judged imports the tree and returns what is wrong with it.
func judged(t *testing.T, tree *manifesttest.Tree, live string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "build")
	tree.Write(t, dir)
	p := profile.New(profile.Layout{Project: "demo"}, system.Real{})
	got, err := p.Import(t.Context(), profile.Source{Path: dir, Nonce: "0123456789abcdef"})
	must(t, err)
	r, err := Check(t.Context(), Question{
		Layout: p.Layout, Dir: p.Generation(got.Number), Manifest: got.Manifest, Store: p.Store(), Live: live,
	})
	must(t, err)
	return r.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("want %q, got:\n%s", want, got)
	}
}

func testGood(t *testing.T) { expect(t, judged(t, good(), ""), "") }

func testUnits(t *testing.T) {
	for text, want := range map[string]string{
		"[Service]\nExecStart=/bin/true\n":                            "",
		"[Service]\nExecStart=/bin/true\nX-Fleet-OnChange=graceful\n": "",
		"[Service]\nExecStart=/bin/true\nNoSuchKey=1\n":               "Unknown key 'NoSuchKey'",
		"[Service]\nExecStart=/bin/true\nMemoryMax=many\n":            "Invalid memory limit",
		"[Service]\nExecStart=/usr/bin/missing\n":                     "Command /usr/bin/missing is not executable",
		"[Service]\nExecStart=/bin/true\nUser=nobodyhere\n":           `names user "nobodyhere"`,
		"Requires=missing.service\n[Service]\nExecStart=/bin/true\n":  "Unit missing.service not found",
		"[Service]\nType=simple\n":                                    "has no ExecStart=",
		"[Service\nExecStart=/bin/true\n":                             "line",
		"[Service]\nExecStart=/bin/true\nBindPaths=/missing:/x\n":     "names /missing",
	} {
		tree := good()
		service(tree, text)
		expect(t, judged(t, tree, ""), want)
	}
}

func testRules(t *testing.T) {
	for text, want := range map[string]string{
		"table inet fleet_demo {\n\tchain c {\n\t\tip daddr @missing drop\n\t}\n}\n": "missing",
		"table inet fleet_demo {\n":                   "syntax error",
		"table inet other {\n}\n":                     "nftables/demo.nft",
		"flush ruleset\ntable inet fleet_demo {\n}\n": "nftables/demo.nft",
	} {
		tree := good()
		tree.File("nftables/demo.nft", "0444", text)
		expect(t, judged(t, tree, ""), want)
	}
	if out, _ := exec.Command("nft", "list", "tables").Output(); len(out) != 0 {
		t.Errorf("the host has tables now: %s", out)
	}
}

func testSudoers(t *testing.T) {
	for text, want := range map[string]string{
		"":                "",
		"nonsense here\n": "must be valid together with",
		"%fleet-operators ALL = (root) NOPASSWD: UNDEFINED_ALIAS\n": "must be valid together with",
		"Defaults targetpw\n":                             "must not change settings for every user",
		"%fleet-operators ALL = ALL\n":                    "exceptions or everything",
		"%fleet-operators ALL = /bin/true, !/bin/false\n": "exceptions or everything",
		"mary ALL = /bin/true\n":                          `not to "mary"`,
		"%sudo ALL = /bin/true\n":                         `not to "sudo"`,
		"ALL ALL = /bin/true\n":                           "own users and groups only",
		"demo-lead ALL = /bin/true\n":                     "",
		"Cmnd_Alias A = /bin/true\nDefaults!A !requiretty\ndemo-lead ALL = A\n": "",
	} {
		tree := good()
		fragment(tree, text)
		expect(t, judged(t, tree, ""), want)
	}
}

// A member of the operators' group keeps what the live generation and the administrator give.
func testLosses(t *testing.T) {
	run(t, "groupadd", "--system", "fleet-operators")
	run(t, "useradd", "--groups", "fleet-operators", "ann")
	must(t, os.WriteFile("/etc/sudoers.d/fleet-demo", []byte("@includedir /run/fleet/demo/active/sudoers.d\n"), 0o440))
	must(t, os.WriteFile("/etc/sudoers.d/ann", []byte("ann ALL = /usr/bin/id\n"), 0o440))
	p := profile.New(profile.Layout{Project: "demo"}, system.Real{})
	dir := filepath.Join(t.TempDir(), "live")
	good().Write(t, dir)
	live, err := p.Import(t.Context(), profile.Source{Path: dir, Nonce: "0123456789abcdef"})
	must(t, err)
	must(t, p.SetActive(live.Number))
	run(t, "sudo", "-n", "-l", "-U", "ann", strings.Fields(fragmentOf(t, p.Generation(live.Number)))[5])

	changed := good()
	changed.File("agents/lead/ops/start", "0555", "#!/bin/sh\n# changed\n")
	fragment(changed, "%fleet-operators ALL = (root) NOPASSWD: "+changed.Store("agents/lead/ops/start")+" \"\"\n")
	expect(t, judged(t, changed, p.Generation(live.Number)), "")

	for text, want := range map[string]string{
		"": "would take from ann of group fleet-operators: /var/lib/fleet/store/",
		"%fleet-operators ALL = (root) " + changed.Store("agents/lead/ops/start") + " \"\"\n": "would take from ann",
		"%fleet-operators ALL = (root) NOPASSWD: /var/lib/fleet/store/x-stop \"\"\n":          "would take from ann",
	} {
		tree := good()
		fragment(tree, text)
		expect(t, judged(t, tree, p.Generation(live.Number)), want)
	}
	gone := good()
	gone.Manifest.Agents[0].Enabled = false
	fragment(gone, "")
	expect(t, judged(t, gone, p.Generation(live.Number)), "")
	must(t, p.ClearActive())
	must(t, os.Remove("/etc/sudoers.d/ann"))
	must(t, os.Remove("/etc/sudoers.d/fleet-demo"))
}

func fragmentOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(dir + "/sudoers.d/demo")
	must(t, err)
	_, rule, _ := strings.Cut(string(b), "\n")
	return rule
}

func testNotRead(t *testing.T) {
	text, err := os.ReadFile("/etc/sudoers")
	must(t, err)
	t.Cleanup(func() { os.WriteFile("/etc/sudoers", text, 0o440) })
	must(t, os.WriteFile("/etc/sudoers", []byte("root ALL = (ALL) ALL\n"), 0o440))
	expect(t, judged(t, good(), ""), "does not read /etc/sudoers.d")
}

func testHostDamage(t *testing.T) {
	must(t, os.WriteFile("/etc/sudoers.d/broken", []byte("what is this\n"), 0o440))
	t.Cleanup(func() { os.Remove("/etc/sudoers.d/broken") })
	expect(t, judged(t, good(), ""), "must be valid before a switch")
}
