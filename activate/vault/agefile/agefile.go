// Package agefile reads and writes files that travel in git: text that is encrypted with age to the keys of several
// hosts and people (age-encryption.org/v1), armoured so that git shows it as text. Of a passphrase it knows nothing: a
// file or a key that needs one is refused.
package agefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// MaxSize bounds what is decrypted and what is encrypted.
const MaxSize = 4 << 20

// ErrNoIdentity is wrapped by Decrypt's error where the file is encrypted to none of the identities.
var ErrNoIdentity = errors.New("is encrypted to none of the keys at hand")

// errPassphrase refuses what a person would have to type.
var errPassphrase = errors.New("is encrypted with a passphrase; encrypt it to the keys of hosts and people instead: " +
	"age --encrypt --armor --recipients-file FILE.recipients")

// errForm refuses what is no age file. What age says of it is left out: it repeats parts of a file that may be plain text.
var errForm = errors.New("is no age file, or a damaged one")

// Decrypt returns the text of a file, armoured or not. It is the caller's to wipe.
func Decrypt(file []byte, identities []age.Identity) ([]byte, error) {
	if len(file) > MaxSize {
		return nil, fmt.Errorf("must have at most %d bytes", MaxSize)
	}
	var src io.Reader = bytes.NewReader(file)
	if bytes.HasPrefix(bytes.TrimLeft(file, " \t\r\n"), []byte(armor.Header)) {
		src = armor.NewReader(src)
	}
	r, err := age.Decrypt(src, append([]age.Identity{nobody{}}, identities...)...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none) && slices.Contains(none.StanzaTypes, "scrypt"):
		return nil, errPassphrase
	case errors.As(err, &none):
		return nil, ErrNoIdentity
	case err != nil:
		return nil, errForm
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxSize))
	if err != nil {
		clear(text)
		return nil, errForm
	}
	return text, nil
}

// nobody is an identity to which nothing is encrypted: without any, age does not look at the file at all.
type nobody struct{}

func (nobody) Unwrap([]*age.Stanza) ([]byte, error) { return nil, age.ErrIncorrectIdentity }

// Encrypt returns a file that each of the recipients can decrypt.
func Encrypt(text []byte, recipients []age.Recipient) ([]byte, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("must have at most %d bytes", MaxSize)
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipients...)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
