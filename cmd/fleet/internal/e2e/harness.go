//go:build machine

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fleet/activate/machine"
	"fleet/generate/spec"
	"fleet/schemas/fleet"
)

// Harness is the program of a built-in harness as fleet's own recipe installs it.
type Harness struct {
	Version string
	Dir     string // on this host
	Place   string // the folder below /usr/local/lib where the recipe has put it; some hold its name
	Program string // below both
}

// Installed returns a built-in harness, fetched from the npm registry once for all tests of this user.
func Installed(t testing.TB, name string) Harness {
	t.Helper()
	h := builtin(t, name)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "fleet-test", name+"-"+h.Version)
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // another package's tests may want it now
		t.Fatal(err)
	}
	link, err := os.ReadFile(root + "/link")
	if err != nil {
		install(t, h.Install, h.Program, root)
		if link, err = os.ReadFile(root + "/link"); err != nil {
			t.Fatal(err)
		}
	}
	program := strings.TrimSpace(string(link))
	below, _ := filepath.Rel("/usr/local/lib", program)
	folder, inside, _ := strings.Cut(below, "/")
	return Harness{h.Version, filepath.Join(root, folder), "/usr/local/lib/" + folder, inside}
}

// install runs a recipe and leaves in root what it made, and as the last the file link: where the program is. It does so
// in a mount namespace, with a layer over /usr/local: the host that runs the tests stays as it is.
func install(t testing.TB, recipe, program, root string) {
	t.Helper()
	const script = `mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/usr/local,upperdir=/mnt/upper,workdir=/mnt/work none /usr/local
sh -c "$1"
link=$(readlink "/usr/local/bin/$2")
folder=$(echo "$link" | cut -d/ -f1-5)
rm -rf "$3/${folder##*/}"
cp -a "$folder" "$3/"
echo "$link" >"$3/link"`
	out, err := exec.Command("unshare", "--mount", "sh", "-euc", script, "sh", recipe, program, root).CombinedOutput()
	if err != nil {
		t.Fatalf("install %s: %v\n%s", program, err, out)
	}
}

// Bind shows the program to a machine.
func (h Harness) Bind() machine.Bind { return machine.Bind{Outside: h.Dir, Inside: h.Place} }

// Link is what makes a machine find it.
func (h Harness) Link() []string {
	return []string{"ln", "-s", filepath.Join(h.Place, h.Program), "/usr/local/bin/" + filepath.Base(h.Program)}
}

func builtin(t testing.TB, name string) fleet.Harness {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(Spec()), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := spec.Load(t.Context(), spec.Options{Dir: dir, File: "fleet.jsonnet"})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Fleet.Harnesses[name]
}
