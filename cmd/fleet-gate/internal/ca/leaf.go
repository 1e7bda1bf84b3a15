package ca

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// A certificate of a host is good for leafValidity and used for leafUse.
	leafValidity = 3 * 24 * time.Hour
	leafUse      = 24 * time.Hour

	// maxLeaves bounds the certificates that are kept, each of about two KiB.
	maxLeaves = 1024
)

// Minter makes the certificates of hosts. All have one key, which lives as long as the process.
type Minter struct {
	dir   string
	key   *ecdsa.PrivateKey
	group singleflight.Group

	mu    sync.Mutex
	ca    *CA
	stamp os.FileInfo // of the certificate that ca was read from
	kept  map[string]*list.Element
	order list.List // of *leaf, the one used last in front
}

type leaf struct {
	host string
	cert *tls.Certificate
}

// NewMinter makes a minter whose authority lies below dir; it can mint after Configure.
func NewMinter(dir string) (*Minter, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &Minter{dir: dir, key: key, kept: map[string]*list.Element{}}, err
}

// Configure has the minter certify for these hosts from now on; see Open.
func (m *Minter) Configure(hosts []string) error {
	c, err := Open(m.dir, hosts)
	if err != nil {
		return fmt.Errorf("certificate authority in %s: %w", folder(m.dir), err)
	}
	m.use(c)
	return nil
}

func (m *Minter) use(c *CA) {
	stamp, _ := os.Stat(certPath(folder(m.dir)))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ca, m.stamp = c, stamp
	clear(m.kept)
	m.order.Init()
}

// Leaf returns a certificate for a host in canonical form, which the policy has allowed. Those who ask for one that is
// being made wait for it.
func (m *Minter) Leaf(host string) (*tls.Certificate, error) {
	m.renewed()
	if c := m.find(host); c != nil {
		return c, nil
	}
	v, err, _ := m.group.Do(host, func() (any, error) {
		m.mu.Lock()
		authority := m.ca
		m.mu.Unlock()
		c, err := authority.mint(m.key, host, time.Now())
		if err == nil {
			m.keep(authority, host, c)
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	return v.(*tls.Certificate), nil
}

// renewed reads the authority again where the oneshot before the agent has made a new one while the gate runs.
func (m *Minter) renewed() {
	now, err := os.Stat(certPath(folder(m.dir)))
	m.mu.Lock()
	before := m.stamp
	m.mu.Unlock()
	if err != nil || before == nil || os.SameFile(now, before) {
		return
	}
	if c := load(folder(m.dir)); c != nil && c.Cert != nil {
		m.use(c)
	}
}

func (m *Minter) find(host string) *tls.Certificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.kept[host]
	if e == nil || time.Until(e.Value.(*leaf).cert.Leaf.NotAfter) < leafValidity-leafUse {
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*leaf).cert
}

func (m *Minter) keep(by *CA, host string, c *tls.Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if by != m.ca {
		return
	}
	if e := m.kept[host]; e != nil {
		m.order.Remove(e)
	}
	m.kept[host] = m.order.PushFront(&leaf{host, c})
	for m.order.Len() > maxLeaves {
		delete(m.kept, m.order.Remove(m.order.Back()).(*leaf).host)
	}
}

// mint makes the certificate of a host.
func (c *CA) mint(key *ecdsa.PrivateKey, host string, now time.Time) (*tls.Certificate, error) {
	if c == nil || !covers(c.Cert, host) {
		return nil, fmt.Errorf("%s is no host of this certificate authority", host)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"fleet"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafValidity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if a, err := netip.ParseAddr(host); err == nil {
		t.IPAddresses = []net.IP{a.AsSlice()}
	} else {
		t.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.Cert, &key.PublicKey, c.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}
