//go:build machine

package nft

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fleet/schemas/fleet"
)

const table, heldTable = "fleet_" + project, "fleet_" + project + "_held"

// holder is the unit's main process, with what it starts in a process group of its own, as systemd's control group.
type holder struct {
	cmd *exec.Cmd
	out *os.File
}

// hold starts the holder and waits for it as ExecStartPost= does.
func hold(t *testing.T, script, ruleset string) *holder {
	t.Helper()
	out, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{cmd: exec.Command(script, ruleset), out: out}
	h.cmd.Stdout, h.cmd.Stderr = out, out
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.kill(); sh(script + " withdraw " + ruleset) })
	if err := sh(script+" wait "+ruleset, "MAINPID="+strconv.Itoa(h.cmd.Process.Pid)); err != nil {
		t.Fatalf("%v\n%s", err, h.log())
	}
	return h
}

// log is what the holder has said.
func (h *holder) log() string {
	data, err := os.ReadFile(h.out.Name())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (h *holder) kill() {
	syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL)
	h.cmd.Wait()
}

// tables returns which of the two tables the kernel has.
func tables(t *testing.T) (plain, held bool) {
	t.Helper()
	out, err := exec.Command("nft", "list", "tables").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	for _, l := range lines {
		plain = plain || l == "table inet "+table
		held = held || l == "table inet "+heldTable
	}
	return plain, held
}

func wantTables(t *testing.T, plain, held bool) {
	t.Helper()
	var p, h bool
	for range 100 {
		if p, h = tables(t); p == plain && h == held {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("table is %t, held table %t", p, h)
}

// flood sends datagrams as an agent, as fast as it can, until the test calls the function that it returns, which then
// fails the test where one has left the host.
func flood(t *testing.T, w who) (stop func()) {
	t.Helper()
	before, err := sent()
	if err != nil {
		t.Fatal(err)
	}
	c := w.command(t, "flood 203.0.113.9 53")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		c.Process.Kill()
		c.Wait()
		if after, _ := sent(); after != before {
			t.Errorf("%d packets left the host", after-before)
		}
	}
}

// ACT-B23: another program flushes the ruleset, again and again.
func TestActB23ForeignFlush(t *testing.T) {
	ruleset, script := install(t, testFleet())
	h := hold(t, script, ruleset)
	wantTables(t, true, true)
	stop := flood(t, web)
	for range 20 {
		if err := sh("nft flush ruleset"); err != nil {
			t.Fatal(err)
		}
		wantTables(t, true, true)
	}
	stop()
	if err := sh("nft delete table inet " + heldTable); err == nil {
		t.Error("another program could delete the held table")
	}
	h.kill()
	if !strings.Contains(h.log(), "another program removed table inet "+table+"; it is back") {
		t.Errorf("no alert in %q", h.log())
	}
}

// ACT-B23: without its holder the first table stands, until a new holder comes.
func TestActB23HolderKilled(t *testing.T) {
	ruleset, script := install(t, testFleet())
	h := hold(t, script, ruleset)
	stop := flood(t, web)
	for range 5 {
		h.kill()
		wantTables(t, true, false)
		h = hold(t, script, ruleset)
		wantTables(t, true, true)
	}
	stop()
}

// The processes of the holder die one at a time; none takes the rules along.
func TestHolderParts(t *testing.T) {
	ruleset, script := install(t, testFleet())
	h := hold(t, script, ruleset)
	stop := flood(t, web)
	if err := sh("kill -9 $(pgrep -x -f 'nft monitor destroy tables')"); err != nil {
		t.Fatal(err)
	}
	if err := sh("nft flush ruleset"); err != nil {
		t.Fatal(err)
	}
	wantTables(t, true, true)
	if err := sh("kill -9 $(pgrep -x -f 'nft -i')"); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Wait(); err == nil || !strings.Contains(h.log(), "still stands") {
		t.Errorf("%v: %s", err, h.log())
	}
	wantTables(t, true, false)
	stop()
}

// TERM from anybody but the unit's own stop leaves the rules and is a failure, for systemd to start it again.
func TestHolderTerminated(t *testing.T) {
	ruleset, script := install(t, testFleet())
	h := hold(t, script, ruleset)
	h.cmd.Process.Signal(unix.SIGTERM)
	if err := h.cmd.Wait(); err == nil {
		t.Error("a clean end")
	}
	h.kill()
	wantTables(t, true, false)

	h = hold(t, script, ruleset)
	if err := sh(script + " withdraw " + ruleset); err != nil {
		t.Fatal(err)
	}
	h.cmd.Process.Signal(unix.SIGTERM)
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("an ordered stop: %v: %s", err, h.log())
	}
	h.kill()
	wantTables(t, false, false)
}

func TestReload(t *testing.T) {
	ruleset, script := install(t, testFleet())
	hold(t, script, ruleset)
	if got := transfer(t, web, web, "127.0.0.1", "5000"); got != "reached" {
		t.Fatal(got)
	}
	web.run(t, "send udp 203.0.113.9 53")
	before := count(t, table, "agent_web_dev") + count(t, heldTable, "agent_web_dev")
	if before == 0 {
		t.Fatal("nothing counted")
	}

	m := testFleet()
	m.Agents[2].LocalPorts = &fleet.PortRange{From: 5500, To: 5510}
	next, _ := install(t, m)
	stop := flood(t, other)
	if err := sh(script + " reload " + next); err != nil {
		t.Fatal(err)
	}
	stop()
	if got := transfer(t, web, web, "127.0.0.1", "5500"); got != "reached" {
		t.Error("new port:", got)
	}
	if got := transfer(t, web, web, "127.0.0.1", "5000"); got == "reached" {
		t.Error("old port is still open")
	}
	if after := count(t, table, "agent_web_dev") + count(t, heldTable, "agent_web_dev"); after < before {
		t.Errorf("counted %d before and %d after", before, after)
	}
	wantTables(t, true, true)
}

// ACT-B14: what the kernel refuses changes nothing.
func TestActB14Broken(t *testing.T) {
	ruleset, script := install(t, testFleet())
	hold(t, script, ruleset)
	text, err := os.ReadFile(ruleset)
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t)
	stop := flood(t, web)
	for name, bad := range map[string]string{
		"grammar":     strings.Replace(string(text), "icmpx admin-prohibited", "nonsense", 1),
		"missing set": strings.Replace(string(text), "vmap @agents", "vmap @nothing", 1),
		"cut off":     string(text[:len(text)/2]),
		"empty":       "",
	} {
		path := t.TempDir() + "/" + project + ".nft"
		if err := os.WriteFile(path, []byte(bad), 0o444); err != nil {
			t.Fatal(err)
		}
		if err := sh(script + " reload " + path); err == nil {
			t.Errorf("%s: loaded", name)
		} else if !strings.Contains(err.Error(), "old rules stay in force") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sh(script + " reload /nowhere/" + project + ".nft"); err == nil {
		t.Error("loaded what is not there")
	}
	stop()
	if after := listing(t); after != before {
		t.Error("the rules changed")
	}
}

func listing(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "-s", "-t", "list", "ruleset").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A kernel without tables that have an owner: the rules are put back at once.
func TestHolderWithoutOwner(t *testing.T) {
	ruleset, script := install(t, testFleet())
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	old := script + ".old"
	body := strings.Replace(string(text), "owner_works() {", "owner_works() { return 1;", 1)
	if err := os.WriteFile(old, []byte(body), 0o555); err != nil {
		t.Fatal(err)
	}
	hold(t, old, ruleset)
	wantTables(t, true, false)
	if err := sh("nft flush ruleset"); err != nil {
		t.Fatal(err)
	}
	wantTables(t, true, false)
	if err := sh(old + " reload " + ruleset); err != nil {
		t.Fatal(err)
	}
}
