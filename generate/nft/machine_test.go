//go:build machine

package nft

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/generate/model/modeltest"
	"fleet/schemas/fleet"
)

// These tests run the ruleset and its holder in the kernel: in a network namespace with nothing outside but a dummy
// interface, with /run and /sys/fs/cgroup of their own. They need root and leave nothing behind.
const (
	inside = "FLEET_NFT_INSIDE"
	probe  = "FLEET_NFT_PROBE"

	project     = "nfttest"
	uidLead     = 70001 // namespace
	uidWeb      = 70005 // user, ports 5000-5010
	uidOther    = 70006 // user, ports 6000-6010
	uidRetired  = 75000
	uidForeign  = 76000 // an agent of another project
	uidOperator = 2000
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(probe) != "":
		os.Exit(probeMain(strings.Fields(os.Getenv(probe))))
	case os.Getenv(inside) != "":
		os.Exit(insideMain(m))
	}
	// The shell lives on as the namespace's first process, so that whatever a test leaves running ends with it.
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

// cgroupRoot is a second view of the tree, for what is made there to be removed.
const cgroupRoot = "/sys/fs/cgroup"

var slicePath, foreignPath = "fleet.slice/fleet-" + project + ".slice", "fleet.slice/fleet-nftother.slice"

func insideMain(m *testing.M) int {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		return 1
	}
	defer func() {
		for _, dir := range []string{slicePath, foreignPath, "fleet.slice"} {
			unix.Rmdir(filepath.Join(cgroupRoot, dir))
		}
	}()
	return m.Run()
}

func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil { // this namespace's interfaces
		return err
	}
	if err := unix.Mount("cgroup2", cgroupRoot, "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("mount cgroup2: %w", err)
	}
	for _, dir := range []string{slicePath, foreignPath} {
		if err := os.MkdirAll(filepath.Join(cgroupRoot, dir), 0o755); err != nil {
			return err
		}
	}
	return sh(`
		ip link set lo up
		ip netns add outside
		ip link add out0 address 02:00:00:00:00:01 type veth peer name in0 address 02:00:00:00:00:09 netns outside
		for s in net.ipv6.conf.out0.router_solicitations=0 net.ipv6.conf.out0.accept_dad=0 \
			net.ipv4.ping_group_range='0 2147483647'; do sysctl -qw "$s"; done
		ip link set out0 up
		ip addr add 192.0.2.1/24 brd + dev out0
		ip addr add 2001:db8::1/64 dev out0 nodad
		out() { ip netns exec outside "$@"; }
		out ip link set lo up
		out ip link set in0 up
		for a in 192.0.2.9/24 203.0.113.9/32 2001:db8::9/64; do out ip addr add $a dev in0; done
		out ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev in0
		out ip neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 dev in0
		ip route add default via 192.0.2.9
		ip -6 route add default via 2001:db8::9
		ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:09 dev out0
		ip neigh replace 2001:db8::9 lladdr 02:00:00:00:00:09 dev out0
		sleep 1`) // for the reports of multicast groups that a new interface sends
}

func sh(script string, env ...string) error {
	c := exec.Command("/bin/sh", "-euc", script)
	c.Env = append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return nil
}

// testFleet has an agent in a namespace and two beside each other on the host's network.
func testFleet() *model.Fleet {
	return modeltest.Gated(&model.Fleet{
		Project: project,
		UIDs:    fleet.UIDs{From: 70000, To: 99999},
		Agents: []model.Agent{
			{Key: "lead", User: project + "-lead", UID: uidLead, Isolation: model.Namespace},
			{
				Key: "other", User: project + "-other", UID: uidOther, Isolation: model.User,
				LocalPorts: &fleet.PortRange{From: 6000, To: 6010},
			},
			{
				Key: "web-dev", User: project + "-web-dev", UID: uidWeb, Isolation: model.User,
				LocalPorts: &fleet.PortRange{From: 5000, To: 5010},
			},
		},
	})
}

// install writes the ruleset of a fleet and the script into a folder and returns both paths.
func install(t *testing.T, m *model.Fleet) (ruleset, script string) {
	t.Helper()
	files, err := artifacttest.Files(Render, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, string(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, string(RulesetPath(m))), filepath.Join(dir, string(FirewallScript))
}

// who is a process's user and place.
type who struct {
	uid   int
	slice string // "" is the root of the tree
}

// command returns the test binary as a probe of somebody.
func (w who) command(t *testing.T, args string) *exec.Cmd {
	t.Helper()
	dir, err := os.Open(filepath.Join(cgroupRoot, w.slice))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), probe+"="+args)
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)},
		UseCgroupFD: true, CgroupFD: int(dir.Fd()),
	}
	return c
}

// run returns what the probe says: reached, or why not.
func (w who) run(t *testing.T, args string) string {
	t.Helper()
	out, err := w.command(t, args).CombinedOutput()
	if err != nil {
		t.Fatalf("probe %q as %d: %v\n%s", args, w.uid, err, out)
	}
	return strings.TrimSpace(string(out))
}
