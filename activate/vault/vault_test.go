package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/profile"
	"fleet/activate/system"
)

// paper seals with nothing but a key that can change; tests of vaults need no root.
type paper struct{ key string }

func (p *paper) Seal(_ context.Context, name string, v Value) ([]byte, error) {
	return fmt.Appendf(nil, "%s %s %s", p.key, name, base64.StdEncoding.EncodeToString(v.b)), nil
}

func (p *paper) Open(_ context.Context, name string, sealed []byte) (Value, error) {
	f := strings.Fields(string(sealed))
	if len(f) != 3 || f[0] != p.key || f[1] != name {
		return Value{}, &Undecryptable{Name: name, Err: errors.New("decryption failed")}
	}
	b, err := base64.StdEncoding.DecodeString(f[2])
	return Value{b}, err
}

type fixture struct {
	t      *testing.T
	root   string
	sealer *paper
	*Vault
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"var/lib", "run", "etc/systemd/system"} {
		check(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	return (&fixture{t: t, root: root, sealer: &paper{key: "k1"}}).with(system.Real{})
}

// with is the same vault, changed through other effects.
func (f *fixture) with(fx system.Effects) *fixture {
	out := *f
	out.Vault = New(profile.New(profile.Layout{Project: "demo", Root: f.root}, fx), fx, f.sealer)
	return &out
}

func (f *fixture) put(texts ...string) []string {
	f.t.Helper()
	changed, err := f.Put(f.t.Context(), entries(texts...))
	check(f.t, err)
	return changed
}

// entries makes them of NAME=VALUE.
func entries(texts ...string) []Entry {
	var out []Entry
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		out = append(out, Entry{name, Value{[]byte(value)}})
	}
	return out
}

func (f *fixture) read(name string) string {
	f.t.Helper()
	v, err := f.Read(f.t.Context(), name)
	check(f.t, err)
	return string(v.b)
}

// state is what the vault holds, one NAME=VALUE each, and other names as they are.
func (f *fixture) state() []string {
	f.t.Helper()
	dir, err := os.ReadDir(f.Secrets())
	check(f.t, err)
	var out []string
	for _, e := range dir {
		v, err := f.Read(f.t.Context(), e.Name())
		if err != nil {
			out = append(out, e.Name())
			continue
		}
		out = append(out, e.Name()+"="+string(v.b))
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPut(t *testing.T) {
	f := newFixture(t)
	if names, err := f.Names(); err != nil || len(names) != 0 {
		t.Errorf("no vault: %v, %v", names, err)
	}
	if got := f.put("B=12345678", "A=binary\x00\xff\n\n"); !cmp.Equal(got, []string{"A", "B"}) {
		t.Errorf("changed %v", got)
	}
	if got := f.put("A=binary\x00\xff\n\n", "B=other value"); !cmp.Equal(got, []string{"B"}) {
		t.Errorf("the second time changed %v", got)
	}
	if diff := cmp.Diff([]string{"A=binary\x00\xff\n\n", "B=other value"}, f.state()); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]os.FileMode{f.Secrets(): 0o700, f.Secret("A"): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
	if _, err := f.Put(t.Context(), entries("../x=12345678")); err == nil {
		t.Error("a name that leads elsewhere was taken")
	}
	f.sealer.key = "k2" // the host's key is another one: what cannot be decrypted is replaced
	if got := f.put("A=binary\x00\xff\n\n"); !cmp.Equal(got, []string{"A"}) || f.read("A") != "binary\x00\xff\n\n" {
		t.Errorf("with another key changed %v", got)
	}
}

// broken seals into what does not come out again.
type broken struct{ *paper }

func (b broken) Seal(ctx context.Context, name string, v Value) ([]byte, error) {
	if name != "B" {
		return b.paper.Seal(ctx, name, v)
	}
	return b.paper.Seal(ctx, name, Value{[]byte("something else")})
}

// Where one value cannot be kept, none is written.
func TestPutNothingHalf(t *testing.T) {
	f := newFixture(t)
	f.put("A=before, A", "B=before, B")
	f.sealer2(broken{f.sealer})
	_, err := f.Put(t.Context(), entries("A=after, A", "B=after, B"))
	if err == nil || !strings.Contains(err.Error(), "B was encrypted and comes out as something else") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"A=before, A", "B=before, B"}, f.state()); diff != "" {
		t.Error(diff)
	}
}

func (f *fixture) sealer2(s Sealer) { f.Vault = New(f.Profile, f.fx, s) }

// killed makes so many changes and no more.
type killed struct{ left int }

var errKilled = errors.New("killed")

func (k *killed) Do(_ string, f func() error) error {
	if k.left == 0 {
		return errKilled
	}
	k.left--
	return f()
}

// Killed at any change, each value is the old one or the new one, and the next run comes to the same end.
func TestKilled(t *testing.T) {
	for at := 0; ; at++ {
		f := newFixture(t)
		f.put("A=before, A", "B=before, B")
		_, err := f.with(&killed{at}).Put(t.Context(), entries("A=after, A", "B=after, B"))
		for name, values := range map[string][2]string{"A": {"before, A", "after, A"}, "B": {"before, B", "after, B"}} {
			if got := f.read(name); got != values[0] && got != values[1] {
				t.Errorf("killed at %d: %s is %q", at, name, got)
			}
		}
		f.put("A=after, A", "B=after, B")
		if diff := cmp.Diff([]string{"A=after, A", "B=after, B"}, f.state()); diff != "" {
			t.Errorf("killed at %d: %s", at, diff)
		}
		if err == nil {
			if at < 6 {
				t.Errorf("only %d changes were counted", at)
			}
			return
		}
	}
}

// F17: what others could have put there, or could have read, is not taken.
func TestForeignFiles(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *fixture)
		want  string
	}{
		"readable by others": {func(f *fixture) {
			check(f.t, os.Chmod(f.Secret("A"), 0o644))
		}, "must have mode 0600, has 0644"},
		"folder in sight": {func(f *fixture) {
			check(f.t, os.Chmod(f.Secrets(), 0o755))
		}, "must be a folder of root's with mode 0700"},
		"link": {func(f *fixture) {
			check(f.t, os.Rename(f.Secret("A"), f.root+"/a"))
			check(f.t, os.Symlink(f.root+"/a", f.Secret("A")))
		}, "too many levels of symbolic links"},
		"folder": {func(f *fixture) {
			check(f.t, os.Remove(f.Secret("A")))
			check(f.t, os.Mkdir(f.Secret("A"), 0o700))
		}, "is not a plain file"},
		"huge": {func(f *fixture) {
			check(f.t, os.WriteFile(f.Secret("A"), make([]byte, maxSealed+1), 0o600))
		}, "larger than allowed"},
		"empty":   {func(f *fixture) { check(f.t, os.WriteFile(f.Secret("A"), nil, 0o600)) }, "does not decrypt"},
		"missing": {func(f *fixture) { check(f.t, os.Remove(f.Secret("A"))) }, "no such file"},
		"other's": {func(f *fixture) {
			b, err := os.ReadFile(f.Secret("B"))
			check(f.t, err)
			check(f.t, os.WriteFile(f.Secret("A"), b, 0o600))
		}, "does not decrypt on this host"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.put("A=12345678", "B=12345678")
			c.spoil(f)
			v, err := f.Read(t.Context(), "A")
			if err == nil || !strings.Contains(err.Error(), c.want) || len(v.b) > 0 {
				t.Errorf("%v, want %q", err, c.want)
			}
			if r := f.Verify(t.Context(), []string{"A"}); !r.Failed() || !strings.Contains(r.String(), "sudo fleet secret set A") {
				t.Errorf("verified: %s", r.String())
			}
		})
	}
}

func TestVerify(t *testing.T) {
	f := newFixture(t)
	f.put("A=12345678", "B=12345678", "D=12345678")
	check(t, f.Rotate(t.Context(), "D", Value{[]byte("87654321")}))
	if r := f.Verify(t.Context(), []string{"A", "B", "D"}); r.Failed() {
		t.Error(r.String())
	}
	r := f.Verify(t.Context(), []string{"A", "B", "C"})
	if len(r.Entries) != 1 || !strings.Contains(r.String(), "secrets.C: has no value on this host") {
		t.Error(r.String())
	}
	check(t, os.WriteFile(f.Secret("D.previous"), []byte("k0 D.previous x"), 0o600))
	if r := f.Verify(t.Context(), []string{"D"}); !strings.Contains(r.String(), "fleet secret rotate D --end") {
		t.Error(r.String())
	}
	f.sealer.key = "k2"
	if r := f.Verify(t.Context(), []string{"A", "B", "C", "D"}); len(r.Entries) != 4 {
		t.Errorf("not all at once: %s", r.String())
	}
}

func TestNewValue(t *testing.T) {
	for name, c := range map[string]struct{ in, want, fault string }{
		"one line":           {"12345678\n", "12345678", ""},
		"one line, Windows":  {"12345678\r\n", "12345678", ""},
		"no end":             {"12345678", "12345678", ""},
		"several lines":      {"1234\n5678\n", "1234\n5678\n", ""},
		"two ends":           {"12345678\n\n", "12345678\n\n", ""},
		"binary":             {"\x00\xff345678", "\x00\xff345678", ""},
		"empty":              {"", "", "must not be empty"},
		"an empty line":      {"\n", "", "must not be empty"},
		"short":              {"1234567\n", "", "at least 8 bytes"},
		"largest":            {strings.Repeat("x", MaxValue), strings.Repeat("x", MaxValue), ""},
		"largest, one line":  {strings.Repeat("x", MaxValue) + "\n", strings.Repeat("x", MaxValue), ""},
		"larger":             {strings.Repeat("x", MaxValue+1), "", "at most 65536 bytes"},
		"a CR alone is kept": {"12345678\r", "12345678\r", ""},
	} {
		in := []byte(c.in)
		v, err := NewValue(in)
		if string(v.b) != c.want || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %q, %v", name, v.b, err)
		}
		if err != nil && bytes.IndexFunc(in, func(r rune) bool { return r != 0 }) >= 0 {
			t.Errorf("%s: what was refused is not wiped: %q", name, in)
		}
	}
}

// F16: no way to print a value shows it.
func TestValueIsRedacted(t *testing.T) {
	e := Entry{"A", Value{[]byte("canary-3f1c9d")}}
	text, err := json.Marshal(e)
	check(t, err)
	all := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all += fmt.Sprintf(verb, e) + fmt.Sprintf(verb, &e.Value) + fmt.Sprintf(verb, []Value{e.Value})
	}
	all += e.Value.String()
	for _, sign := range []string{"canary", "63616e617279", "99 97 110"} {
		if strings.Contains(all, sign) {
			t.Errorf("%q is in %s", sign, all)
		}
	}
	e.Value.Wipe()
	if !bytes.Equal(e.Value.b, make([]byte, 13)) {
		t.Errorf("wiped: %q", e.Value.b)
	}
}
