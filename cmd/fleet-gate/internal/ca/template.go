package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fleet/schemas/policy"
)

// nowhere is a domain that nobody has (RFC 2606). A constraint that permits it alone shuts out all of a kind of names;
// an empty one to be excluded is not understood alike everywhere.
const nowhere = "invalid"

// serialBits is more than the 64 that are asked for, and fits in the 20 bytes that are allowed.
const serialBits = 127

// Hosts returns what the certificate of a policy's gate is to be good for: each host that is to be inspected, and for a
// wildcard the name below which it lies. Sorted.
func Hosts(p *policy.Policy) []string {
	out := p.Inspected()
	for i, host := range out {
		out[i] = strings.TrimPrefix(host, "*.")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// template is the certificate for hosts, without its times.
func template(key *ecdsa.PublicKey, hosts []string) (*x509.Certificate, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(der)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, SubjectKeyId: id[:20],
		// Of the key, so that two keys never have one name, by which some libraries look for an issuer.
		Subject:  pkix.Name{Organization: []string{"fleet"}, CommonName: "fleet gate " + hex.EncodeToString(id[:8])},
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedEmailAddresses: []string{nowhere}, PermittedURIDomains: []string{nowhere},
	}
	constrain(t, hosts)
	return t, nil
}

// constrain lets nothing but hosts be certified.
func constrain(t *x509.Certificate, hosts []string) {
	for _, host := range hosts {
		if a, err := netip.ParseAddr(host); err == nil {
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{
				IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen()),
			})
			continue
		}
		t.PermittedDNSDomains = append(t.PermittedDNSDomains, host)
	}
	if t.PermittedDNSDomains == nil {
		t.PermittedDNSDomains = []string{nowhere}
	}
	if t.PermittedIPRanges == nil {
		t.ExcludedIPRanges = []*net.IPNet{
			{IP: make(net.IP, net.IPv4len), Mask: make(net.IPMask, net.IPv4len)},
			{IP: make(net.IP, net.IPv6len), Mask: make(net.IPMask, net.IPv6len)},
		}
	}
}

// constrainedTo tells whether a certificate is good for these hosts and no others.
func constrainedTo(c *x509.Certificate, hosts []string) bool {
	want := new(x509.Certificate)
	constrain(want, hosts)
	same := func(a, b *net.IPNet) bool { return a.IP.Equal(b.IP) && bytes.Equal(a.Mask, b.Mask) }
	return slices.Equal(c.PermittedDNSDomains, want.PermittedDNSDomains) &&
		slices.EqualFunc(c.PermittedIPRanges, want.PermittedIPRanges, same) &&
		slices.EqualFunc(c.ExcludedIPRanges, want.ExcludedIPRanges, same)
}

// covers tells whether a certificate for host in canonical form would be good.
func covers(c *x509.Certificate, host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return slices.ContainsFunc(c.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(a.AsSlice()) })
	}
	return slices.ContainsFunc(c.PermittedDNSDomains, func(d string) bool {
		return host == d || strings.HasSuffix(host, "."+d)
	})
}
