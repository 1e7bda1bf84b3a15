package profile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fleet/activate/profile"
	"fleet/activate/system"
)

// filled returns a host with a project, values in its vault, and a key of the host.
func filled(t *testing.T) (*host, *profile.Profile) {
	h := newHost(t)
	h.imported("a")
	p := h.profile(system.Real{})
	h.must(p.PrepareSecrets())
	h.must(os.WriteFile(p.Secret("TOKEN"), []byte("sealed"), 0o600))
	h.must(os.WriteFile(p.HostKey(), []byte("sealed"), 0o600))
	return h, p
}

// B30: the vault and the host's key outlast the project, unless they are to go.
func TestUninstallB30Vault(t *testing.T) {
	h, p := filled(t)
	h.must(p.Uninstall(false))
	h.must(p.Uninstall(false))
	if left := h.names("var/lib/fleet"); !slices.Equal(left, []string{"demo", "host-key"}) {
		t.Errorf("/var/lib/fleet holds %v", left)
	}
	if left := h.names("var/lib/fleet/demo"); !slices.Equal(left, []string{"secrets"}) {
		t.Errorf("the project's folder holds %v", left)
	}
	if vaults, err := p.Vaults(); err != nil || !slices.Equal(vaults, []string{"demo"}) {
		t.Errorf("vaults: %v, %v", vaults, err)
	}
	h.must(p.PurgeSecrets())
	h.must(p.PurgeSecrets())
	if left := h.names("var/lib"); len(left) != 0 {
		t.Errorf("/var/lib holds %v", left)
	}

	h, p = filled(t)
	h.must(p.Uninstall(true))
	if left := h.names("var/lib"); len(left) != 0 {
		t.Errorf("with purge /var/lib holds %v", left)
	}

	h, p = filled(t) // an empty vault is nothing to be kept
	h.must(os.Remove(p.Secret("TOKEN")))
	h.must(os.WriteFile(p.Secret(".taken"), nil, 0o600))
	h.must(p.Uninstall(false))
	if left := h.names("var/lib/fleet"); !slices.Equal(left, []string{"host-key"}) {
		t.Errorf("/var/lib/fleet holds %v", left)
	}
}

// The key of the host stays for as long as another project has values that came by it.
func TestHostKeyStays(t *testing.T) {
	h, p := filled(t)
	other := profile.New(profile.Layout{Project: "other", Root: h.root}, system.Real{})
	h.must(other.PrepareSecrets())
	h.must(p.Uninstall(true))
	if left := h.names("var/lib/fleet"); !slices.Equal(left, []string{"host-key", "other"}) {
		t.Errorf("/var/lib/fleet holds %v", left)
	}
}

// A folder that is not root's alone is not used as it is.
func TestPrepareSecretsRefuses(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"in sight": func(dir string) error { return os.Mkdir(dir, 0o755) },
		"link":     func(dir string) error { return os.Symlink(t.TempDir(), dir) },
		"file":     func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
	} {
		h := newHost(t)
		p := h.profile(system.Real{})
		h.must(os.MkdirAll(filepath.Dir(p.Secrets()), 0o755))
		h.must(spoil(p.Secrets()))
		if err := p.PrepareSecrets(); err == nil || !strings.Contains(err.Error(), "must be a folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
