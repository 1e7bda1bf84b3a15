package dns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/listen"
	"fleet/cmd/fleet-gate/internal/names"
	record "fleet/schemas/audit"
	"fleet/schemas/policy"
)

type log struct {
	mu  sync.Mutex
	all []string
	err error
}

func (l *log) Write(r record.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r.Verdict+" "+r.Host+" "+r.Reason)
	return l.err
}

func server(t testing.TB) (*Server, *log) {
	t.Helper()
	rule := func(name, host string) policy.Rule {
		return policy.Rule{Name: name, Host: host, Ports: []int{443}, Protocol: policy.TLS}
	}
	p := policy.Policy{
		Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Enforce,
		Allow: []policy.Rule{rule("r1", "api.test.example"), rule("r2", "*.wild.example")},
	}
	m, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	table, err := names.Open(t.TempDir() + "/names")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	l := new(log)
	return New(judge.New(m, l), table), l
}

func query(t testing.TB, name string, typ dnsmessage.Type, edns bool) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	if edns {
		m.Additionals = []dnsmessage.Resource{opt("")}
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// show is an answer as a line.
func show(t testing.TB, b []byte) string {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		t.Fatal(err)
	}
	out := strings.TrimPrefix(m.RCode.String(), "RCode")
	for _, r := range m.Answers {
		if a, ok := r.Body.(*dnsmessage.AResource); ok {
			out += " " + netip.AddrFrom4(a.A).String()
		} else {
			out += " other"
		}
	}
	for _, r := range m.Additionals {
		for _, o := range r.Body.(*dnsmessage.OPTResource).Options {
			out += fmt.Sprintf(" %d: %s", o.Data[1], o.Data[2:])
		}
	}
	return out
}

// EGR-E8: only allowed names are answered, whatever is asked of them.
func TestE8Answers(t *testing.T) {
	s, l := server(t)
	long := strings.Repeat("a", 60)
	for _, c := range []struct {
		name string
		typ  dnsmessage.Type
		want string
	}{
		{"api.test.example.", dnsmessage.TypeA, "Success 127.64.1.0"},
		{"API.Test.Example.", dnsmessage.TypeA, "Success 127.64.1.0"},
		{"x.wild.example.", dnsmessage.TypeA, "Success 127.64.1.1"},
		{"api.test.example.", dnsmessage.TypeAAAA, "Success"},
		{"api.test.example.", dnsmessage.TypeTXT, "Success"},
		{"api.test.example.", dnsmessage.TypeALL, "Success"},
		{"api.test.example.", 65, "Success"},
		{"wild.example.", dnsmessage.TypeA, "NameError"},
		{"sub.api.test.example.", dnsmessage.TypeA, "NameError"},
		{"other.example.", dnsmessage.TypeTXT, "NameError"},
		{"8.8.8.8.", dnsmessage.TypeA, "NameError"},
		{"1.0.0.127.in-addr.arpa.", dnsmessage.TypePTR, "NameError"},
		{".", dnsmessage.TypeNS, "NameError"},
		{long + "." + long + ".wild.example.", dnsmessage.TypeA, "NameError"},
	} {
		if got := show(t, s.Answer(query(t, c.name, c.typ, false))); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.name, c.typ, got, c.want)
		}
	}
	if !slices.Contains(l.all, "deny other.example host-not-listed") {
		t.Errorf("records: %q", l.all)
	}
	n := 0
	for _, r := range l.all {
		if strings.HasPrefix(r, "allow API") || strings.HasPrefix(r, "allow api") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d records for one allowed name: %q", n, l.all)
	}
}

func TestExtendedError(t *testing.T) {
	s, _ := server(t)
	got := show(t, s.Answer(query(t, "other.example.", dnsmessage.TypeA, true)))
	want := "NameError 15: other.example is not in the allow list; to allow it, the operator adds it to egress.allow, then builds and switches"
	if got != want {
		t.Errorf("got %q", got)
	}
	name := strings.Repeat(strings.Repeat("a", 60)+".", 4)
	if b := s.Answer(query(t, name, dnsmessage.TypeA, true)); len(b) > 512 {
		t.Errorf("%d bytes", len(b))
	}
}

// EGR-E8: many names below a wildcard.
func TestE8ManyChildren(t *testing.T) {
	s, l := server(t)
	n := 0
	for i := range 500 {
		if strings.HasPrefix(show(t, s.Answer(query(t, fmt.Sprintf("x%d.wild.example.", i), dnsmessage.TypeA, false))), "Success") {
			n++
		}
	}
	if n > 110 || n < 100 {
		t.Errorf("%d names answered", n)
	}
	if last := l.all[len(l.all)-1]; last != "deny x499.wild.example too-many" {
		t.Errorf("last record: %q", last)
	}
}

func TestUnrecordedIsNotAnswered(t *testing.T) {
	s, l := server(t)
	l.err = errors.New("full")
	if got := show(t, s.Answer(query(t, "api.test.example.", dnsmessage.TypeA, false))); got != "ServerFailure" {
		t.Errorf("got %q", got)
	}
}

func TestOtherMessages(t *testing.T) {
	s, _ := server(t)
	good := query(t, "api.test.example.", dnsmessage.TypeA, false)
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"empty":         {nil, ""},
		"short":         {good[:11], ""},
		"an answer":     {change(func(b []byte) { b[2] |= 0x80 }), ""},
		"update":        {change(func(b []byte) { b[2] |= 5 << 3 }), "NotImplemented"},
		"no question":   {change(func(b []byte) { b[5] = 0 }), "FormatError"},
		"two questions": {change(func(b []byte) { b[5] = 2 }), "FormatError"},
		"cut off":       {good[:len(good)-1], "FormatError"},
		"class CHAOS":   {change(func(b []byte) { b[len(b)-1] = 3 }), "Refused"},
		"a loop":        {append(bytes.Clone(good[:12]), 0xc0, 12, 0, 1, 0, 1), "FormatError"},
	} {
		b := s.Answer(c.in)
		got := ""
		if b != nil {
			got = show(t, b)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// The resolver of Go's standard library takes the answers, over UDP and TCP.
func TestRealResolver(t *testing.T) {
	s, _ := server(t)
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	sockets := &listen.Sockets{DNS: []*net.UDPConn{udp}, DNSStream: []*net.TCPListener{tcp}}
	defer sockets.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go listen.New(sockets, listen.Handlers{DNS: s.Datagram, DNSStream: s.Stream}, listen.Options{Max: 4}).Serve(ctx)
	for network, addr := range map[string]net.Addr{"udp": udp.LocalAddr(), "tcp": tcp.Addr()} {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr.String())
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got, err := r.LookupNetIP(ctx, "ip", "api.test.example.")
		if d := cmp.Diff("[127.64.1.0]", fmt.Sprint(got)); d != "" || err != nil {
			t.Errorf("%s: %s %v", network, d, err)
		}
		_, err = r.LookupNetIP(ctx, "ip", "other.example.")
		var e *net.DNSError
		if !errors.As(err, &e) || !e.IsNotFound {
			t.Errorf("%s: got %v", network, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(query(f, "api.test.example.", dnsmessage.TypeA, true))
	f.Add(query(f, "x.example.", dnsmessage.TypeTXT, false))
	s, _ := server(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		if out := s.Answer(in); len(out) > 512 {
			t.Errorf("%d bytes", len(out))
		}
	})
}
