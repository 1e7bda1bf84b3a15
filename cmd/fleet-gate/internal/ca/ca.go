// Package ca is a gate's own certificate authority, in whose name it answers for the hosts whose requests have to be
// read inside TLS. Its certificate is good for those hosts alone, so that a stolen key is of no use elsewhere.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

const (
	// validity is that of key and certificate; Ensure makes new ones after half of it.
	validity = 365 * 24 * time.Hour
	renewAt  = validity / 2

	// lastCall is how long before the end a running gate makes new ones too. Before that it leaves them alone: programs
	// that run already trust the old key only.
	lastCall = 14 * 24 * time.Hour

	// backdate is how long ago certificates begin, for clocks that are stepped back a little.
	backdate = time.Hour
)

// CA is a key with its certificate.
type CA struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Ensure returns the authority for hosts, see Hosts, kept in the folder ca below dir, and makes what is missing; nil
// where there are no hosts. It is for the moment before an agent starts and reads its bundle anew.
//
// When the hosts change, the key and the subject stay and only the certificate is made again: a certificate for a host
// is then good under the former one too, and a session that trusts that one goes on. The end of the validity stays as
// well, so that no key gets older than validity.
func Ensure(dir string, hosts []string) (*CA, error) { return ensure(dir, hosts, renewAt) }

// Open is Ensure for a gate, which starts while programs run: it makes a new key as late as it can.
func Open(dir string, hosts []string) (*CA, error) { return ensure(dir, hosts, lastCall) }

func ensure(dir string, hosts []string, renew time.Duration) (*CA, error) {
	if len(hosts) == 0 {
		return nil, nil
	}
	dir = folder(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c := load(dir)
	now := time.Now()
	switch {
	case c == nil || c.Cert != nil && !good(c.Cert, now, renew):
		return create(dir, hosts, now)
	case c.Cert == nil || !constrainedTo(c.Cert, hosts):
		return c, c.certify(dir, hosts, now)
	}
	return c, nil
}

func folder(dir string) string   { return filepath.Join(dir, "ca") }
func keyPath(dir string) string  { return filepath.Join(dir, "key.pem") }
func certPath(dir string) string { return filepath.Join(dir, "cert.pem") }

// lock keeps a gate and the oneshot before its agent from making two keys at once.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func good(c *x509.Certificate, now time.Time, renew time.Duration) bool {
	return !now.Before(c.NotBefore) && c.NotAfter.Sub(now) > renew
}

// load reads what is there: nil without a key that can be used, and a CA without Cert where that is missing or of
// another key, as a crash between the two writes leaves it.
func load(dir string) *CA {
	der, err := readPEM(keyPath(dir))
	if err != nil {
		return nil
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil || key.Curve != elliptic.P256() {
		return nil
	}
	c := &CA{key: key}
	if der, err = readPEM(certPath(dir)); err != nil {
		return c
	}
	if cert, err := x509.ParseCertificate(der); err == nil && key.PublicKey.Equal(cert.PublicKey) {
		c.Cert = cert
	}
	return c
}

var errNoPEM = errors.New("no PEM block")

func readPEM(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: %w", path, errNoPEM)
	}
	return block.Bytes, nil
}

func create(dir string, hosts []string, now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writePEM(keyPath(dir), "EC PRIVATE KEY", der, 0o600); err != nil {
		return nil, err
	}
	c := &CA{key: key}
	return c, c.certify(dir, hosts, now)
}

// certify makes the certificate again.
func (c *CA) certify(dir string, hosts []string, now time.Time) error {
	begin, end := now.Add(-backdate), now.Add(validity)
	if c.Cert != nil {
		begin, end = c.Cert.NotBefore, c.Cert.NotAfter
	}
	t, err := template(&c.key.PublicKey, hosts)
	if err != nil {
		return err
	}
	t.NotBefore, t.NotAfter = begin, end
	der, err := x509.CreateCertificate(rand.Reader, t, t, &c.key.PublicKey, c.key)
	if err != nil {
		return err
	}
	if c.Cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return writePEM(certPath(dir), "CERTIFICATE", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return replace(path, b, mode)
}

// replace writes a file so that there is the one before or all of the new one, whatever happens.
func replace(path string, b []byte, mode fs.FileMode) error {
	f, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(mode))
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
