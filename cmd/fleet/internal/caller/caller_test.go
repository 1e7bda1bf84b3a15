package caller

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fleet/activate/terminal"
)

// nobody's number on every Linux.
const nobody = 65534

func TestEnvironment(t *testing.T) {
	all := []string{"PATH=/usr/bin", "HOME=/root", "USER=root", "LOGNAME=root", "SUDO_UID=7", "MAIL=x", "XDG_RUNTIME_DIR=/run/user/0", "EDITOR=vi"}
	p := Person{Operator: terminal.Operator{UID: nobody, GID: nobody, Home: "/home/x"}, Name: "x"}
	want := all // who is not root keeps what there is
	if os.Geteuid() == 0 {
		want = []string{"EDITOR=vi", "PATH=/usr/bin:/home/x/.local/bin:/home/x/bin:/home/x/go/bin", "HOME=/home/x", "USER=x", "LOGNAME=x"}
	}
	if got := p.environment(all); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// As root, files are read and made with the person's rights; for others nothing changes.
func TestDo(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "fleet-caller-") // below a folder that everybody can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	secret := filepath.Join(dir, "secret")
	if err := errors.Join(os.WriteFile(secret, nil, 0o600), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	p := Person{Operator: terminal.Operator{UID: nobody, GID: nobody}, Name: "nobody"}
	made := filepath.Join(dir, "made")
	err = p.Do(func() error {
		_, err := os.ReadFile(secret)
		return errors.Join(err, os.WriteFile(made, nil, 0o600))
	})
	if root := os.Geteuid() == 0; root != errors.Is(err, os.ErrPermission) {
		t.Errorf("root's file: %v", err)
	}
	st, err := os.Stat(made)
	if err != nil {
		t.Fatal(err)
	}
	want := uint32(os.Geteuid())
	if want == 0 {
		want = nobody
	}
	if got := st.Sys().(*syscall.Stat_t).Uid; got != want {
		t.Errorf("the file is user %d's, want %d", got, want)
	}
	if _, err := os.ReadFile(secret); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCommand(t *testing.T) {
	p, err := This()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		p = Person{Operator: terminal.Operator{UID: nobody, GID: nobody, Groups: []int{nobody}, Home: "/nonexistent"}, Name: "nobody"}
	}
	out, err := p.Command(t.Context(), "/bin/sh", "-c", "id -u; id -G").Output()
	if got := strings.Fields(string(out)); err != nil || len(got) < 2 || os.Geteuid() == 0 && !slices.Equal(got, []string{"65534", "65534"}) {
		t.Errorf("%q, %v", out, err)
	}
}
