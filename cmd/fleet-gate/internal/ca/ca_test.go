package ca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/policy"
)

func ensured(t *testing.T, dir string, hosts ...string) *CA {
	t.Helper()
	c, err := Ensure(dir, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func minter(t *testing.T, dir string, hosts ...string) *Minter {
	t.Helper()
	m, err := NewMinter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Configure(hosts); err != nil {
		t.Fatal(err)
	}
	return m
}

// verify is what a client does that trusts c.
func verify(c *CA, leaf *tls.Certificate, host string) error {
	pool := x509.NewCertPool()
	pool.AddCert(c.Cert)
	_, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host})
	return err
}

// EGR-D13: nobody but the gate can read the key, and its certificate is good for the listed hosts only.
func TestD13KeyAndConstraints(t *testing.T) {
	dir := t.TempDir()
	c := ensured(t, dir, "api.test", "wild.test")
	for path, want := range map[string]os.FileMode{"ca": 0o700 | os.ModeDir, "ca/key.pem": 0o600} {
		if i, err := os.Stat(filepath.Join(dir, path)); err != nil || i.Mode() != want {
			t.Errorf("%s: %v, %v", path, i.Mode(), err)
		}
	}
	if !c.Cert.IsCA || !c.Cert.MaxPathLenZero || !c.Cert.PermittedDNSDomainsCritical {
		t.Errorf("got %+v", c.Cert)
	}
	key := minter(t, t.TempDir()).key
	free := &CA{key: c.key, Cert: new(x509.Certificate)} // the key in the hands of somebody else
	*free.Cert = *c.Cert
	free.Cert.PermittedDNSDomains = []string{"test", "org"}
	free.Cert.PermittedIPRanges = []*net.IPNet{{IP: net.IP{127, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}}
	for host, want := range map[string]bool{
		"api.test": true, "a.wild.test": true, "other.test": false, "xapi.test": false, "example.org": false, "127.0.0.1": false,
	} {
		leaf, err := free.mint(key, host, time.Now())
		if err != nil {
			t.Fatal(host, err)
		}
		if err := verify(c, leaf, host); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	m := minter(t, dir, "api.test", "wild.test")
	for _, host := range []string{"other.test", "127.0.0.1", "test"} {
		if _, err := m.Leaf(host); err == nil {
			t.Errorf("minted for %s", host)
		}
	}
}

// An address that is listed with paths can be certified, and no other.
func TestAddressHost(t *testing.T) {
	dir := t.TempDir()
	c := ensured(t, dir, "127.0.0.1", "::1")
	m := minter(t, dir, "127.0.0.1", "::1")
	for _, host := range []string{"127.0.0.1", "::1"} {
		leaf, err := m.Leaf(host)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(c, leaf, host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := m.Leaf("127.0.0.2"); err == nil {
		t.Error("minted")
	}
}

// Whoever trusts the certificate from before a change of the hosts goes on for the hosts that it has.
func TestKeyStaysWhenHostsChange(t *testing.T) {
	dir := t.TempDir()
	before := ensured(t, dir, "a.test")
	after := ensured(t, dir, "a.test", "b.test")
	if !before.key.Equal(after.key) || before.Cert.Subject.String() != after.Cert.Subject.String() ||
		!before.Cert.NotAfter.Equal(after.Cert.NotAfter) {
		t.Error("another key, subject or end")
	}
	m := minter(t, dir, "a.test", "b.test")
	a, _ := m.Leaf("a.test")
	b, _ := m.Leaf("b.test")
	for name, err := range map[string]error{
		"a, before": verify(before, a, "a.test"), "a, after": verify(after, a, "a.test"), "b, after": verify(after, b, "b.test"),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if verify(before, b, "b.test") == nil {
		t.Error("the certificate from before is good for a new host")
	}
	if c := ensured(t, dir); c != nil {
		t.Error("an authority for nothing")
	}
}

// Nothing changes where nothing changed, and what is broken is made again.
func TestEnsureMends(t *testing.T) {
	dir := t.TempDir()
	first := ensured(t, dir, "a.test")
	if again := ensured(t, dir, "a.test"); !again.Cert.Equal(first.Cert) {
		t.Error("made again without a reason")
	}
	other := ensured(t, t.TempDir(), "a.test")
	for name, c := range map[string]struct {
		path, content string
		sameKey       bool
	}{
		"no certificate":       {"ca/cert.pem", "", true},
		"another key's":        {"ca/cert.pem", string(pem.EncodeToMemory(&pem.Block{Bytes: other.Cert.Raw})), true},
		"key cut off":          {"ca/key.pem", "-----BEGIN", false},
		"key is no key":        {"ca/key.pem", "-----BEGIN X-----\nAAAA\n-----END X-----\n", false},
		"certificate is empty": {"ca/cert.pem", "-----BEGIN X-----\n-----END X-----\n", true},
	} {
		before := ensured(t, dir, "a.test")
		os.Chmod(filepath.Join(dir, c.path), 0o644)
		if err := os.WriteFile(filepath.Join(dir, c.path), []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		after := ensured(t, dir, "a.test")
		if before.key.Equal(after.key) != c.sameKey || !after.key.PublicKey.Equal(after.Cert.PublicKey) {
			t.Errorf("%s: same key %v", name, !c.sameKey)
		}
	}
	if i, err := os.Stat(filepath.Join(dir, "ca/key.pem")); err != nil || i.Mode() != 0o600 {
		t.Error("mode of the key is not mended", i.Mode(), err)
	}
}

// After half of its validity a key is replaced before an agent starts; a running gate keeps it.
func TestRenewal(t *testing.T) {
	dir := t.TempDir()
	old, err := create(folder(mkdir(t, dir)), []string{"a.test"}, time.Now().Add(-validity*2/3))
	if err != nil {
		t.Fatal(err)
	}
	m := minter(t, dir, "a.test")
	leaf, err := m.Leaf("a.test")
	if err != nil || verify(old, leaf, "a.test") != nil {
		t.Error("the gate has renewed", err)
	}
	renewed := ensured(t, dir, "a.test")
	if renewed.key.Equal(old.key) || renewed.Cert.Subject.String() == old.Cert.Subject.String() {
		t.Error("not renewed")
	}
	if leaf, err = m.Leaf("a.test"); err != nil || verify(renewed, leaf, "a.test") != nil {
		t.Error("the gate does not take the renewed key over", err)
	}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(folder(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// EGR-D12: the certificates that are kept are bounded, and one is made once however many ask for it.
func TestD12Leaves(t *testing.T) {
	m := minter(t, t.TempDir(), "wild.test")
	for i := range maxLeaves + 50 {
		if _, err := m.Leaf(fmt.Sprintf("h%d.wild.test", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.kept) != maxLeaves || m.order.Len() != maxLeaves {
		t.Errorf("%d kept", len(m.kept))
	}
	var all sync.Map
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c, err := m.Leaf("one.wild.test")
			if err != nil {
				t.Error(err)
			}
			all.Store(c, true)
		})
	}
	wg.Wait()
	n := 0
	all.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("minted %d times", n)
	}
}

func TestHosts(t *testing.T) {
	paths := []string{"/a"}
	p := &policy.Policy{
		Allow: []policy.Rule{
			{Host: "*.wild.test", Protocol: policy.TLS, Paths: paths},
			{Host: "plain.test", Protocol: policy.TLS},
			{Host: "http.test", Protocol: policy.HTTP, Paths: paths},
			{Host: "a.test", Protocol: policy.TLS, Methods: []string{"GET"}},
		},
		Deny: []policy.Denial{{Host: "plain.test", Ports: []int{443}, Paths: paths}, {Host: "no.test"}},
	}
	if d := cmp.Diff([]string{"a.test", "plain.test", "wild.test"}, Hosts(p)); d != "" {
		t.Error(d)
	}
}

func TestBundle(t *testing.T) {
	dir := t.TempDir()
	roots := filepath.Join(dir, "roots.pem")
	other := ensured(t, t.TempDir(), "x.test")
	os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Cert.Raw}), 0o644)
	b, err := Roots(roots)
	if err != nil {
		t.Fatal(err)
	}
	path, c := filepath.Join(dir, "bundle.pem"), ensured(t, dir, "a.test")
	if err := WriteBundle(path, b, c); err != nil {
		t.Fatal(err)
	}
	first, _ := os.Stat(path)
	if err := WriteBundle(path, b, c); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.Stat(path); !os.SameFile(first, second) || second.Mode() != 0o444 {
		t.Errorf("written again, or mode %v", second.Mode())
	}
	text, _ := os.ReadFile(path)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	want := x509.NewCertPool()
	want.AddCert(other.Cert)
	want.AddCert(c.Cert)
	if !pool.Equal(want) {
		t.Error("others than the roots and the gate's own")
	}
	os.WriteFile(roots, []byte("no certificate"), 0o644)
	if _, err := Roots(roots); err == nil {
		t.Error("roots without a certificate")
	}
}
