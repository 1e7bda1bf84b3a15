//go:build machine

package contain

import (
	"fmt"
	"strings"
	"testing"
)

// taken are the attempts of E9 that end at the gate in mode namespace: it takes every connection and every question, so
// that the agent sees no refusal of the kernel. The origin sees nothing of them, and the gate has recorded them.
var taken = []string{
	"TCP", "TCP by an IPv4-mapped address", "TCP to the metadata address", "DNS over TCP", mayBe("DNS over TLS"), mayBe("SSH"), "TCP fast open", "DNS", "MPTCP",
}

// No family, protocol or setting takes a packet out of either mode, and what an agent tries is counted or recorded.
func TestEGRE9Families(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.nothingLeaves("E9", taken...)
	f.Eventually("records of what the gate has taken", actTime, func() error {
		log := f.denied("n1")
		for _, want := range []string{origin4("n1") + ":443", origin4("n1") + ":853", origin4("n1") + ":22", metadata + ":80"} {
			if !strings.Contains(log, want) {
				return fmt.Errorf("no record of %s in\n%s", want, log)
			}
		}
		return nil
	})
}

// denied is what the gate of an agent tells of denials.
func (f *fleet) denied(key string) string {
	f.t.Helper()
	f.MustRun("journalctl", "--namespace=fleet-demo", "--sync")
	exit, out, errOut := f.Fleet("egress", "log", key, "--denied", "-n", "0")
	if exit != 0 {
		f.t.Fatalf("fleet egress log: exit status %d\n%s", exit, errOut)
	}
	return out
}

// IPv6, multicast and broadcast do not leave either.
func TestEGRE10Link(t *testing.T) {
	t.Parallel()
	share(t).nothingLeaves("E10")
}

// A socket that joins a multicast group has the kernel tell the link so, by IGMP and MLD. Such a packet belongs to no
// socket, so no rule knows whose it is: in mode user it leaves, never beyond the link, and REPORT.md says so.
func TestEGRE10Joins(t *testing.T) {
	t.Parallel()
	f := share(t)
	all := f.act("joins", "n1", "u1")
	// In mode namespace every address is one of lo, where nobody hears of the group.
	f.refused(all, map[string][]string{"n1": {"join a group"}, "u1": {"join a group", "join a group of IPv6"}})
	if n1, u1 := f.joined("n1"), f.joined("u1"); len(n1) > 0 || len(u1) == 0 {
		t.Errorf("of n1 (namespace) the origin saw %q, of u1 (user) %q", n1, u1)
	}
	if want := "Agent u1 shares the host's network namespace: abstract Unix sockets of the host are in its sight, and the local link is " +
		"told which multicast groups it joins."; !strings.Contains(f.report(), want) {
		t.Errorf("REPORT.md has not %q", want)
	}
	f.free("joins")
}

// nothingLeaves has n1 and u1 make the attempts of a group, all of which are refused and counted but for those of n1 that
// its gate takes, and then somebody free.
func (f *fleet) nothingLeaves(group string, taken ...string) {
	f.t.Helper()
	f.forget()
	counted, stopped := f.rejected("u1"), f.stopped("n1")
	f.refused(f.act(group, "n1", "u1"), map[string][]string{"n1": taken})
	for _, key := range []string{"n1", "u1"} {
		if got := f.frames(key); len(got) > 0 {
			f.t.Errorf("%s (%s): the origin saw\n%s", key, isolation[key], strings.Join(got, "\n"))
		}
	}
	if got := f.rejected("u1"); got <= counted {
		f.t.Errorf("the firewall rejected %d packets of u1 before and %d after", counted, got)
	}
	if got := f.stopped("n1"); got <= stopped {
		f.t.Errorf("the namespace of n1 had stopped %d packets before and %d after", stopped, got)
	}
	f.free(group)
	if got := f.frames("free"); len(got) == 0 {
		f.t.Error("the origin saw nothing of somebody free either")
	}
}
