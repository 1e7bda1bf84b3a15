package agefile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

// MaxIdentity bounds a file of private keys.
const MaxIdentity = 64 << 10

// ParseIdentities reads private keys: those of age, one a line, or one of SSH. No part of the text is in an error.
func ParseIdentities(text []byte) ([]age.Identity, error) {
	if bytes.Contains(text, []byte(armor.Header)) || bytes.HasPrefix(text, []byte("age-encryption.org/")) {
		return nil, errors.New("is protected by a passphrase, which fleet does not ask for; decrypt it first with age")
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return sshIdentity(text)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("must have a private key of age (AGE-SECRET-KEY-...) or of SSH")
	}
	return ids, nil
}

func sshIdentity(text []byte) ([]age.Identity, error) {
	id, err := agessh.ParseIdentity(text)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, errors.New("is protected by a passphrase, which fleet does not ask for; make a key with age-keygen")
	case err != nil && strings.HasPrefix(err.Error(), "unsupported SSH identity"):
		return nil, errors.New("must be an ed25519 or RSA key of SSH")
	case err != nil:
		return nil, errors.New("is no private key of SSH, or a damaged one")
	}
	return []age.Identity{id}, nil
}

// Generate makes an identity: its text, which is to be kept secret, and its public key.
func Generate() (secret []byte, public string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	return []byte(id.String() + "\n"), id.Recipient().String(), nil
}

// Public returns the public keys of a file of private keys of age.
func Public(text []byte) ([]string, error) {
	ids, err := ParseIdentities(text)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range ids {
		if x, ok := id.(*age.X25519Identity); ok {
			out = append(out, x.Recipient().String())
		}
	}
	return out, nil
}
