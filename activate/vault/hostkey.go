package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"filippo.io/age"

	"fleet/activate/profile"
	"fleet/activate/safefile"
	"fleet/activate/system"
	"fleet/activate/vault/agefile"
)

// hostKeyName is the name of the credential that the host's age identity is.
const hostKeyName = "fleet-host-key"

// HostKey is the host's own key for age files: encrypted like any value, and made when it is first asked for.
type HostKey struct {
	Profile *profile.Profile // of any project
	FX      system.Effects
	Sealer  Sealer
}

// ErrNoHostKey is returned by Read where the host has none yet.
var ErrNoHostKey = errors.New("this host has no key for age files yet\n  hint: sudo fleet host-key makes it")

// Recipient returns the public key, for a list of recipients.
func (h HostKey) Recipient(ctx context.Context) (string, error) {
	secret, err := h.Read(ctx)
	if errors.Is(err, ErrNoHostKey) {
		secret, err = h.create(ctx)
	}
	if err != nil {
		return "", err
	}
	defer secret.Wipe()
	public, err := agefile.Public(secret.b)
	if err != nil || len(public) != 1 {
		return "", fmt.Errorf("%s does not hold one key of age", h.Profile.HostKey())
	}
	return public[0], nil
}

// Read returns the private key, which is the caller's to wipe.
func (h HostKey) Read(ctx context.Context) (Value, error) {
	path := h.Profile.HostKey()
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Value{}, ErrNoHostKey
	}
	if err != nil {
		return Value{}, err
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o077 != 0 {
		return Value{}, fmt.Errorf("%s must be a file of root's with mode 0600, is %s\n  hint: find out who changed it",
			path, st.Mode())
	}
	sealed, err := plainFile(path)
	if err != nil {
		return Value{}, err
	}
	v, err := h.Sealer.Open(ctx, hostKeyName, sealed)
	if err != nil {
		return v, fmt.Errorf("the key of this host cannot be used: %w\n"+
			"  hint: remove %s, run sudo fleet host-key, and put the new key into the lists of recipients", err, path)
	}
	return v, nil
}

// Identities returns the private key for agefile.Decrypt.
func (h HostKey) Identities(ctx context.Context) ([]age.Identity, error) {
	secret, err := h.Read(ctx)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	return agefile.ParseIdentities(secret.b)
}

// create makes the key. Two that do it at once get the same one.
func (h HostKey) create(ctx context.Context) (Value, error) {
	if err := h.Profile.PrepareHostKey(); err != nil {
		return Value{}, err
	}
	lock, err := h.Profile.LockStore(ctx, profile.Holder{PID: os.Getpid(), What: "host-key"})
	if err != nil {
		return Value{}, err
	}
	defer lock.Release() //nolint:errcheck // the kernel lets go in any case
	if v, err := h.Read(ctx); !errors.Is(err, ErrNoHostKey) {
		return v, err
	}
	secret, _, err := agefile.Generate()
	if err != nil {
		return Value{}, err
	}
	v := Value{secret}
	vault := New(h.Profile, h.FX, h.Sealer)
	sealed, err := vault.seal(ctx, hostKeyName, v)
	if err == nil {
		err = safefile.Write(h.FX, h.Profile.HostKey(), sealed, 0o600)
	}
	if err != nil {
		v.Wipe()
		return Value{}, fmt.Errorf("make the key of this host: %w", err)
	}
	return v, nil
}
