package outgoing

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// resolved resolves public.test, or private.test which a rule names as private, by a real name server.
func resolved(t *testing.T, d *Dialer, host string, port int) string {
	t.Helper()
	target, err := d.Resolve(t.Context(), host, uint16(port))
	var r *judge.Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return target.String()
}

func dialerOf(t *testing.T, port int, s *server) *Dialer {
	t.Helper()
	p := policy.Policy{Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Enforce, Allow: []policy.Rule{
		{Name: "r1", Host: "private.test", Ports: []int{port}, Protocol: policy.Raw, Private: true},
		{Name: "r2", Host: "public.test", Ports: []int{port}, Protocol: policy.Raw},
	}}
	m, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return New(judge.New(m, nolog{}), Options{DNS: s.addr})
}

// EGR-B9: an address of this machine, as it is now, also where it is public.
func TestB9OwnAddress(t *testing.T) {
	s := serve(t, func(string, int) string { return "8.8.8.8" })
	d := dialerOf(t, 443, s)
	own := map[string]bool{}
	d.local = func(a netip.Addr) bool { return own[a.String()] }
	if got := resolved(t, d, "public.test", 443); got != "8.8.8.8" {
		t.Errorf("got %q", got)
	}
	own["8.8.8.8"] = true // the very next moment
	if got := resolved(t, d, "public.test", 443); got != judge.OwnAddress {
		t.Errorf("got %q", got)
	}
	for a, want := range map[string]bool{"127.0.0.1": true, "127.9.8.7": true, "::1": true} {
		if isLocal(netip.MustParseAddr(a)) != want {
			t.Errorf("%s: local is %v", a, !want)
		}
	}
	for _, a := range []string{"8.8.8.8", "2606:4700::1"} { // wherever the test runs
		if isLocal(netip.MustParseAddr(a)) {
			t.Errorf("%s: is local", a)
		}
	}
}

// EGR-B10: the gate's own sockets by any name, in mode off too, and where a rule names the address as private.
func TestB10OwnListener(t *testing.T) {
	s := serve(t, func(string, int) string { return "127.0.0.1 ::ffff:127.0.0.1" })
	d := dialerOf(t, 3128, s)
	if got := resolved(t, d, "private.test", 3128); got == judge.OwnAddress {
		t.Fatalf("got %q", got)
	}
	for _, l := range []string{"127.0.0.1:3128", "0.0.0.0:3128", "[::]:3128"} {
		d.Listeners = []netip.AddrPort{netip.MustParseAddrPort(l)}
		if got := resolved(t, d, "private.test", 3128); got != judge.OwnAddress {
			t.Errorf("%s: got %q", l, got)
		}
	}
	d.Listeners = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3129")}
	if got := resolved(t, d, "private.test", 3128); !strings.HasPrefix(got, "127.0.0.1") {
		t.Errorf("another port: %q", got)
	}
	s = serve(t, func(string, int) string { return "127.128.3.232 127.64.0.2" }) // those of gates that share the host's network
	if got := resolved(t, dialerOf(t, 3128, s), "private.test", 3128); got != policy.ReasonForbidden {
		t.Errorf("another agent's gate: %q", got)
	}
}

// EGR-B11: of a mixed answer only the public addresses are ever dialled.
func TestB11MixedAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"10.0.0.1 8.8.8.8 127.0.0.1":           "8.8.8.8",
		"8.8.8.8 169.254.169.254":              "8.8.8.8",
		"::1 2606:4700::1 10.0.0.1":            "2606:4700::1",
		"::ffff:10.0.0.1 64:ff9b::a00:1":       policy.ReasonPrivate,
		"127.0.0.1 ::1":                        policy.ReasonPrivate,
		"cname=inner.example 10.0.0.1 8.8.8.8": "8.8.8.8 via inner.example",
	} {
		d := dialerOf(t, 443, serve(t, func(string, int) string { return answer }))
		if got := resolved(t, d, "public.test", 443); got != want {
			t.Errorf("%.60s: got %q, want %q", answer, got, want)
		}
	}
}

// EGR-B12: a name that leads elsewhere a moment later changes nothing: the address that was checked is dialled.
func TestB12Rebinding(t *testing.T) {
	at := origin(t, "127.0.0.1:0")
	s := serve(t, func(_ string, n int) string { return []string{"127.0.0.1", "127.0.0.2", "169.254.169.254"}[min(n, 2)] })
	d := dialerOf(t, at.Port, s)
	target, err := d.Resolve(t.Context(), "private.test", uint16(at.Port))
	if err != nil {
		t.Fatal(err)
	}
	before := s.questions()
	c, err := d.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != at.String() || s.questions() != before {
		t.Errorf("dialled %s after %d more questions", c.RemoteAddr(), s.questions()-before)
	}
	s = serve(t, func(string, int) string { return "169.254.169.254" })
	d.Configure(Options{DNS: s.addr}) // forgets what is kept
	if got := resolved(t, d, "private.test", at.Port); got != policy.ReasonForbidden {
		t.Errorf("later: %q", got)
	}
}

// EGR-B13: the address at the end of a chain decides, and the record has the names.
func TestB13Chain(t *testing.T) {
	for answer, want := range map[string]string{
		"cname=denied.example 8.8.8.8":                     "8.8.8.8 via denied.example",
		"cname=a.example cname=b.example 8.8.8.8":          "8.8.8.8 via a.example b.example",
		"cname=inside.example 10.0.0.1":                    policy.ReasonPrivate,
		"cname=a.example cname=public.test 8.8.8.8":        "8.8.8.8 via a.example public.test a.example public.test",
		"cname=" + strings.Repeat("a.", 100) + "x 8.8.8.8": "8.8.8.8 via " + strings.Repeat("a.", 100) + "x",
		"cname=nowhere.example":                            judge.NoAddress,
	} {
		d := dialerOf(t, 443, serve(t, func(string, int) string { return answer }))
		got := resolved(t, d, "public.test", 443)
		if strings.HasPrefix(want, "8.8.8.8 via a.example public.test") {
			if len(strings.Fields(got)) > 2+maxChain {
				t.Errorf("a circle: %q", got)
			}
			continue
		}
		if got != want {
			t.Errorf("%.60s: got %q, want %q", answer, got, want)
		}
	}
	long := serve(t, func(string, int) string { return "cname=long.example " + many(300) }) // comes by TCP
	if got := resolved(t, dialerOf(t, 443, long), "public.test", 443); !strings.HasSuffix(got, " via long.example") {
		t.Errorf("by TCP: %q", got)
	}
}

// EGR-B14: large answers, failures, and answers that may not be kept make no storm of questions.
func TestB14Answers(t *testing.T) {
	for name, c := range map[string]struct {
		answer, want string
		questions    int
	}{
		"many records": {many(1000), "8.8.0.1 ", 6},
		"failure":      {"servfail", judge.NoAddress, 24},
		"no such name": {"nxdomain", judge.NoAddress, 4},
		"no lifetime":  {"8.8.8.8", "8.8.8.8", 4},
		"nothing":      {"", judge.NoAddress, 4},
	} {
		s := serve(t, func(string, int) string { return c.answer })
		d := dialerOf(t, 443, s)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				got := resolved(t, d, "public.test", 443)
				if !strings.HasPrefix(got, c.want) || len(strings.Fields(got)) > maxAddrs {
					t.Errorf("%s: got %.80q", name, got)
				}
			})
		}
		wg.Wait()
		for range 50 {
			resolved(t, d, "public.test", 443)
		}
		if n := s.questions(); n > c.questions {
			t.Errorf("%s: %d questions, want at most %d", name, n, c.questions)
		}
	}
}
