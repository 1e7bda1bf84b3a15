package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// systemRoots are where distributions keep the authorities that they trust, in one file.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
}

// Roots reads the file with the authorities that are trusted, that of the system where path is "".
func Roots(path string) ([]byte, error) {
	if path != "" {
		return readRoots(path)
	}
	for _, path := range systemRoots {
		b, err := readRoots(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, fmt.Errorf("no trusted certificate authorities: none of %q is there; install the package ca-certificates",
		systemRoots)
}

func readRoots(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s has no certificate in PEM", path)
	}
	return b, nil
}

// Pool is what hosts are verified by: the authorities in the file at path, or nil for the system's where it is "".
func Pool(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readRoots(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return pool, nil
}

// WriteBundle writes what an agent trusts: roots and the gate's own authority, where there is one. It changes nothing
// where that is there already.
func WriteBundle(path string, roots []byte, c *CA) error {
	b := bytes.Clone(roots)
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	if c != nil {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Cert.Raw})...)
	}
	const mode = 0o444
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return os.Chmod(path, mode)
	}
	return replace(path, b, mode)
}
