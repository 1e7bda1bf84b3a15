//go:build machine

package origins

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// systemRoots is what programs of the host trust, on Debian.
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// RootFile is the authority's certificate in the machine, which its host trusts.
const RootFile = dir + "/root.pem"

// authority signs a certificate for whatever name a client asks for.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu    sync.Mutex
	known map[string]*tls.Certificate
}

// openAuthority makes an authority at the first start, and has the host trust it.
func openAuthority() (*authority, error) {
	if _, err := os.Stat(RootFile); err != nil {
		if err := makeAuthority(); err != nil {
			return nil, err
		}
	}
	pair, err := tls.LoadX509KeyPair(RootFile, filepath.Join(dir, "root.key"))
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the authority's key is of another kind")
	}
	return &authority{cert: pair.Leaf, key: key, known: map[string]*tls.Certificate{}}, nil
}

func makeAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "origins"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-240 * time.Hour), NotAfter: time.Now().Add(240 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "root.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	have, err := os.ReadFile(systemRoots)
	if err != nil {
		return fmt.Errorf("the roots that the host trusts: %w", err)
	}
	if err := os.WriteFile(systemRoots, append(have, text...), 0o644); err != nil {
		return err
	}
	return os.WriteFile(RootFile, text, 0o644)
}

// config serves HTTP/2 and HTTP/1.1 with a certificate for the name in the ClientHello.
func (a *authority) config() *tls.Config {
	return &tls.Config{
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.leaf(h.ServerName) },
	}
}

func (a *authority) leaf(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.known[name]; c != nil {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent, signer := a.cert, a.key
	switch {
	case strings.HasPrefix(name, Expired):
		leaf.NotAfter = time.Now().Add(-time.Hour)
	case strings.HasPrefix(name, WrongName):
		leaf.DNSNames = []string{"another.test"}
	case strings.HasPrefix(name, SelfSigned):
		parent, signer = leaf, key
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	a.known[name] = c
	return c, nil
}
