//go:build machine

package contain

import (
	"strings"
	"testing"
)

// No family, protocol or setting takes a packet out of either mode, and what an agent of mode user tries is counted.
func TestEGRE9Families(t *testing.T) {
	t.Parallel()
	share(t).nothingLeaves("E9")
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
	f.refused(all, map[string][]string{"u1": {"join a group", "join a group of IPv6"}})
	if n1, u1 := f.joined("n1"), f.joined("u1"); len(n1) > 0 || len(u1) == 0 {
		t.Errorf("of n1 (namespace) the origin saw %q, of u1 (user) %q", n1, u1)
	}
	if want := "Agent u1 shares the host's network namespace: abstract Unix sockets of the host are in its sight, and the local link is " +
		"told which multicast groups it joins."; !strings.Contains(f.report(), want) {
		t.Errorf("REPORT.md has not %q", want)
	}
	f.free("joins")
}

// nothingLeaves has n1 and u1 make the attempts of a group, all of which are refused and counted, and then somebody free.
func (f *fleet) nothingLeaves(group string) {
	f.t.Helper()
	f.forget()
	counted, unrouted := f.rejected("u1"), f.noRoutes("n1")
	f.refused(f.act(group, "n1", "u1"), nil)
	for _, key := range []string{"n1", "u1"} {
		if got := f.frames(key); len(got) > 0 {
			f.t.Errorf("%s (%s): the origin saw\n%s", key, isolation[key], strings.Join(got, "\n"))
		}
	}
	if got := f.rejected("u1"); got <= counted {
		f.t.Errorf("the firewall rejected %d packets of u1 before and %d after", counted, got)
	}
	if got := f.noRoutes("n1"); got == unrouted {
		f.t.Errorf("the namespace of n1 had %q packets without a route before and after", unrouted)
	}
	f.free(group)
	if got := f.frames("free"); len(got) == 0 {
		f.t.Error("the origin saw nothing of somebody free either")
	}
}
