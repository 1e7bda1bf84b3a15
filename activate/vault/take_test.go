package vault

import (
	"errors"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"fleet/activate/vault/agefile"
)

// ageFile encrypts a text to the key of the vault's host.
func ageFile(t *testing.T, f *fixture, text string, wanted ...string) AgeFile {
	t.Helper()
	key := f.hostKey()
	public, err := key.Recipient(t.Context())
	check(t, err)
	to, err := agefile.ParseRecipients([]byte(public))
	check(t, err)
	sealed, err := agefile.Encrypt([]byte(text), to)
	check(t, err)
	ids, err := key.Identities(t.Context())
	check(t, err)
	return AgeFile{Path: "secrets.age", Text: sealed, Identities: ids, Wanted: wanted}
}

func (f *fixture) hostKey() HostKey { return HostKey{Profile: f.Profile, FX: f.fx, Sealer: f.sealer} }

func (f *fixture) take(a AgeFile) Taken {
	f.t.Helper()
	got, err := f.TakeAge(f.t.Context(), a)
	check(f.t, err)
	return got
}

// A value set by hand stays until the file changes; what the vault lacks is taken at any time.
func TestTakeAge(t *testing.T) {
	f := newFixture(t)
	first := ageFile(t, f, "A=first, A\nB=first, B\nOTHER=not wanted\n", "A", "B", "C")
	if diff := cmp.Diff(Taken{Changed: []string{"A", "B"}, Missing: []string{"C"}}, f.take(first)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{".taken", "A=first, A", "B=first, B"}, f.state()); diff != "" {
		t.Error(diff)
	}
	f.put("A=by hand, A", "C=by hand, C")
	if diff := cmp.Diff(Taken{}, f.take(first)); diff != "" || f.read("A") != "by hand, A" {
		t.Errorf("the same file again: %s%q", diff, f.read("A"))
	}
	check(t, f.Remove(t.Context(), nil, "B"))
	if diff := cmp.Diff(Taken{Changed: []string{"B"}}, f.take(first)); diff != "" || f.read("A") != "by hand, A" {
		t.Errorf("a value that is gone: %s%q", diff, f.read("A"))
	}
	second := ageFile(t, f, "A=second, A\nB=first, B\n", "A", "B", "C")
	if diff := cmp.Diff(Taken{Changed: []string{"A"}}, f.take(second)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{".taken", "A=second, A", "B=first, B", "C=by hand, C"}, f.state()); diff != "" {
		t.Error(diff)
	}
}

// A file that cannot be taken whole changes nothing, and everything that is wrong with it is said.
func TestTakeAgeRefuses(t *testing.T) {
	f := newFixture(t)
	f.put("A=before, A")
	other, err := age.GenerateX25519Identity()
	check(t, err)
	good := ageFile(t, f, "A=after, A\n", "A", "B")
	foreign := good
	foreign.Identities = []age.Identity{other}
	cut := good
	cut.Text = good.Text[:len(good.Text)-80]
	known := good
	known.Check = func(all []Entry) error { return errors.New("refused " + all[0].Name) }
	for name, c := range map[string]struct {
		file AgeFile
		want []string
	}{
		"another host's": {foreign, []string{"secrets.age: is encrypted to none of the keys at hand", "fleet host-key"}},
		"damaged":        {cut, []string{"secrets.age: is no age file, or a damaged one"}},
		"refused":        {known, []string{"refused A"}},
		"no variables": {ageFile(t, f, "A=after, A\ncanary\nB='", "A", "B"), []string{
			"secrets.age: line 2: must be NAME=VALUE", "line 3: the quote",
		}},
		"bad values": {ageFile(t, f, "A=after, A\nB=short\n\nlower=12345678\n", "A", "B", "lower"), []string{
			"secrets.age: line 2: B: the value must have at least 8 bytes", "line 4: lower is no name of a secret",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.TakeAge(t.Context(), c.file)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("lacks %q: %v", want, err)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "after")) {
				t.Errorf("shows what is in the file: %v", err)
			}
			if diff := cmp.Diff([]string{"A=before, A"}, f.state()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The host's key is made once, is not in sight, and a host that cannot read it any more says what to do.
func TestHostKey(t *testing.T) {
	f := newFixture(t)
	key := f.hostKey()
	if _, err := key.Identities(t.Context()); !errors.Is(err, ErrNoHostKey) {
		t.Errorf("before it is made: %v", err)
	}
	first, err := key.Recipient(t.Context())
	check(t, err)
	second, err := key.Recipient(t.Context())
	if err != nil || first != second || !strings.HasPrefix(first, "age1") {
		t.Errorf("%s, then %s, %v", first, second, err)
	}
	st, err := os.Stat(f.HostKey())
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	check(t, os.Chmod(f.HostKey(), 0o640))
	if _, err := key.Recipient(t.Context()); err == nil || !strings.Contains(err.Error(), "mode 0600") {
		t.Errorf("a key in sight of a group: %v", err)
	}
	check(t, os.Chmod(f.HostKey(), 0o600))
	f.sealer.key = "k2"
	remedy := "remove " + f.HostKey() + ", run sudo fleet host-key"
	if _, err := key.Recipient(t.Context()); err == nil || !strings.Contains(err.Error(), remedy) {
		t.Errorf("with another key of the host: %v", err)
	}
}
