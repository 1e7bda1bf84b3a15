package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fleet/activate/system"
)

// Creds encrypts with systemd-creds(1), which is the same code that systemd decrypts with when it starts a unit. Values
// pass through pipes.
type Creds struct{ FX system.Effects }

// hostKey is where systemd keeps the host's key, see systemd-creds(1).
const hostKey = "/var/lib/systemd/credential.secret"

// Seal encrypts a value, bound to the name, and returns it in systemd's text form.
func (c Creds) Seal(ctx context.Context, name string, v Value) ([]byte, error) {
	if err := c.setup(ctx); err != nil {
		return nil, err
	}
	argv := append([]string{"systemd-creds", "encrypt", "--name=" + name}, withKey(ctx)...)
	return system.Filter(ctx, v.b, maxSealed, append(argv, "-", "-")...)
}

// setup makes the host's key where there is none.
func (c Creds) setup(ctx context.Context) error {
	if _, err := os.Lstat(hostKey); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return system.Run(ctx, c.FX, "make the host's key for credentials", "systemd-creds", "setup")
}

// withKey chooses the key: the host's, and that of a TPM 2 where one can be used. No PCR is bound: by default it would be
// PCR 7, and an update of the firmware would lose every secret. In a container has-tpm2 sees the chip of the machine
// through /sys although its device is not there.
func withKey(ctx context.Context) []string {
	devices, err := filepath.Glob("/dev/tpmrm*")
	if err == nil && len(devices) > 0 {
		if _, err := system.Output(ctx, "systemd-creds", "has-tpm2", "--quiet"); err == nil {
			return []string{"--with-key=host+tpm2", "--tpm2-pcrs="}
		}
	}
	return []string{"--with-key=host"}
}

// Open decrypts a value. The error says what to do about it.
func (c Creds) Open(ctx context.Context, name string, sealed []byte) (Value, error) {
	b, err := system.Filter(ctx, sealed, MaxValue+1, "systemd-creds", "decrypt", "--newline=no", "--name="+name, "-", "-")
	if err != nil {
		return Value{}, &Undecryptable{Name: name, Err: err}
	}
	return Value{b}, nil
}

// Undecryptable says that a file of the vault is not for this host, not for this name, or damaged.
type Undecryptable struct {
	Name string
	Err  error
}

// Error names the cause by what systemd-creds says.
func (u *Undecryptable) Error() string {
	return fmt.Sprintf("%s does not decrypt on this host: %s (%v)", u.Name, u.cause(), u.Err)
}

// Unwrap returns what systemd-creds said.
func (u *Undecryptable) Unwrap() error { return u.Err }

func (u *Undecryptable) cause() string {
	switch text := u.Err.Error(); {
	case strings.Contains(text, "name"):
		return "it was encrypted under another name"
	case strings.Contains(text, "TPM"):
		return "it is bound to a TPM that this host has not, or has cleared"
	}
	return "the file is damaged, or the host's key is not the one that it was encrypted with"
}

// firstLine keeps a cause to its first line.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
