package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/manifest/manifesttest"
)

// ground is a host's tree on which the generator runs, with its own paths put before the fixed ones.
type ground struct {
	*testing.T
	root, out string
}

func newGround(t *testing.T) *ground {
	t.Helper()
	g := &ground{T: t, root: t.TempDir()}
	g.out = g.root + "/out"
	for _, d := range []string{"/etc/fleet", "/run/fleet", "/out"} {
		g.must(os.MkdirAll(g.root+d, 0o755))
	}
	return g
}

func (g *ground) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// generation writes generation n of project, with a unit whose Description is the number.
func (g *ground) generation(project string, n int) string {
	g.Helper()
	tree := manifesttest.New(project)
	tree.Unit("fleet-"+project+"-lead.service", "lead", "graceful", "[Unit]\nDescription="+strconv.Itoa(n)+"\n")
	tree.Unit("fleet-"+project+`-a\x2db@.service`, "", "", "[Unit]\n")
	g.must(os.MkdirAll(g.root+"/etc/fleet/"+project+"/generations", 0o755))
	g.must(os.MkdirAll(g.root+"/run/fleet/"+project, 0o755))
	dir := g.root + "/etc/fleet/" + project + "/generations/" + strconv.Itoa(n)
	tree.Write(g, dir)
	return dir
}

func (g *ground) link(target, path string) { g.must(os.Symlink(target, g.root+path)) }

// run runs the generator under dash and returns what it made: names, sorted, and the number that was loaded of demo.
func (g *ground) run() (names []string, loaded string) {
	g.Helper()
	text := strings.NewReplacer("/etc/fleet", g.root+"/etc/fleet", "/run/fleet", g.root+"/run/fleet").Replace(string(generator))
	script := g.root + "/generator"
	g.must(os.WriteFile(script, []byte(text), 0o755))
	g.must(os.RemoveAll(g.out))
	g.must(os.Mkdir(g.out, 0o755))
	cmd := exec.Command("dash", script, g.out, g.out, g.out)
	if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
		g.Errorf("generator: %v: %s", err, said)
	}
	g.must(filepath.WalkDir(g.out, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, g.out+"/"))
		}
		return err
	}))
	if b, err := os.ReadFile(g.out + "/fleet-demo-lead.service"); err == nil {
		loaded = strings.TrimSpace(strings.TrimPrefix(string(b), "[Unit]\nDescription="))
	}
	return names, loaded
}

func (g *ground) anchor() string {
	g.Helper()
	b, err := os.ReadFile(g.out + "/fleet-demo-anchor.service")
	g.must(err)
	return string(b)
}

func (g *ground) damage(dir, name string) {
	g.Helper()
	g.must(os.Chmod(filepath.Join(dir, name), 0o644))
	g.must(os.WriteFile(filepath.Join(dir, name), nil, 0o444))
}

func TestGeneratorTakesActiveElseBoot(t *testing.T) {
	g := newGround(t)
	g.generation("demo", 1)
	g.generation("demo", 2)
	if names, _ := g.run(); names != nil {
		t.Errorf("without a link: %v", names)
	}
	g.link("generations/1", "/etc/fleet/demo/boot")
	names, loaded := g.run()
	want := []string{`fleet-demo-a\x2db@.service`, "fleet-demo-anchor.service", "fleet-demo-lead.service", "fleet-demo.target", "multi-user.target.wants/fleet-demo.target"}
	if d := cmp.Diff(want, names); d != "" || loaded != "1" {
		t.Errorf("loaded %s: %s", loaded, d)
	}
	if target, err := os.Readlink(g.out + "/multi-user.target.wants/fleet-demo.target"); err != nil || target != "../fleet-demo.target" {
		t.Errorf("%q, %v", target, err)
	}
	if !strings.Contains(g.anchor(), "\nX-Fleet-Generation=1\nX-Fleet-Damaged=\n") {
		t.Error(g.anchor())
	}
	g.link(g.root+"/etc/fleet/demo/generations/2", "/run/fleet/demo/active")
	if _, loaded = g.run(); loaded != "2" || !strings.Contains(g.anchor(), "\nX-Fleet-Generation=2\n") {
		t.Errorf("loaded %s:\n%s", loaded, g.anchor())
	}
}

// B11: what is damaged is passed over, whatever is damaged in it.
func TestGeneratorB11Damaged(t *testing.T) {
	for _, file := range []string{"units/fleet-demo-lead.service", "agents/lead/run", "files.sha256", "manifest.json", "store.sha256"} {
		t.Run(file, func(t *testing.T) {
			g := newGround(t)
			g.generation("demo", 1)
			second := g.generation("demo", 2)
			third := g.generation("demo", 3)
			g.link("generations/3", "/etc/fleet/demo/boot")
			g.link("generations/2", "/etc/fleet/demo/boot.1")
			g.link("generations/1", "/etc/fleet/demo/boot.2")
			g.damage(third, file)
			if _, loaded := g.run(); loaded != "2" || !strings.Contains(g.anchor(), "X-Fleet-Damaged= 3\n") {
				t.Errorf("loaded %s:\n%s", loaded, g.anchor())
			}
			g.damage(second, file)
			if _, loaded := g.run(); loaded != "1" || !strings.Contains(g.anchor(), "X-Fleet-Damaged= 3 2\n") {
				t.Errorf("loaded %s:\n%s", loaded, g.anchor())
			}
			g.damage(g.root+"/etc/fleet/demo/generations/1", file)
			names, _ := g.run()
			want := []string{"fleet-demo-anchor.service", "multi-user.target.wants/fleet-demo-anchor.service"}
			if d := cmp.Diff(want, names); d != "" || !strings.Contains(g.anchor(), "exit 1") {
				t.Errorf("no good one: %s\n%s", d, g.anchor())
			}
		})
	}
}

// A list that was cut at a line's end proves nothing: the manifest holds the list itself.
func TestGeneratorShortList(t *testing.T) {
	g := newGround(t)
	dir := g.generation("demo", 1)
	g.link("generations/1", "/etc/fleet/demo/boot")
	list, err := os.ReadFile(dir + "/files.sha256")
	g.must(err)
	first, _, _ := strings.Cut(string(list), "\n")
	g.must(os.Chmod(dir+"/files.sha256", 0o644))
	g.must(os.WriteFile(dir+"/files.sha256", []byte(first+"\n"), 0o444))
	if _, loaded := g.run(); loaded != "" {
		t.Error("a generation with a short list was taken")
	}
}

// Names and links that somebody else made in /etc/fleet make the generator do nothing.
func TestGeneratorHostileNames(t *testing.T) {
	g := newGround(t)
	g.generation("demo", 1)
	g.link("generations/1", "/etc/fleet/demo/boot")
	for _, name := range []string{"-rf", "a b", "x;touch pwned", "$(touch pwned)", "new\nline", "Upper", "..x", ".hidden", "1st", "a%b", "é"} {
		dir := g.root + "/etc/fleet/" + name
		g.must(os.MkdirAll(dir+"/generations", 0o755))
		g.must(os.Symlink(g.root+"/etc/fleet/demo/generations/1", dir+"/generations/1"))
		g.must(os.Symlink("generations/1", dir+"/boot"))
	}
	for i, target := range []string{"/", "generations/../../demo/generations/1", "generations/1 x", "../demo/generations/1", "generations/01", "generations/", "/etc/passwd"} {
		name := "bad" + string(rune('a'+i))
		g.must(os.MkdirAll(g.root+"/etc/fleet/"+name, 0o755))
		g.link(target, "/etc/fleet/"+name+"/boot")
	}
	g.must(os.WriteFile(g.root+"/etc/fleet/afile", nil, 0o644))
	names, loaded := g.run()
	if len(names) != 5 || loaded != "1" {
		t.Errorf("%q, %s", names, loaded)
	}
	if found, _ := filepath.Glob(g.root + "/*pwned*"); found != nil {
		t.Error("a name was run")
	}
}

// Two projects: each gets its own, a damaged one does not harm the other.
func TestGeneratorTwoProjects(t *testing.T) {
	g := newGround(t)
	g.generation("demo", 1)
	other := g.generation("other", 1)
	g.link("generations/1", "/etc/fleet/demo/boot")
	g.link("generations/1", "/etc/fleet/other/boot")
	if names, _ := g.run(); len(names) != 10 {
		t.Errorf("%q", names)
	}
	g.damage(other, "units/fleet-other.target")
	if names, loaded := g.run(); len(names) != 7 || loaded != "1" {
		t.Errorf("%q", names)
	}
}

// The generator ends by itself: PID 1 would wait for it.
func TestGeneratorB22TimeLimit(t *testing.T) {
	g := newGround(t)
	dir := g.generation("demo", 1)
	g.link("generations/1", "/etc/fleet/demo/boot")
	g.must(os.Remove(dir + "/manifest.json"))
	g.must(exec.Command("mkfifo", dir+"/manifest.json").Run())
	text := strings.NewReplacer("/etc/fleet", g.root+"/etc/fleet", "/run/fleet", g.root+"/run/fleet", "-k 1 20", "-k 1 1").Replace(string(generator))
	g.must(os.WriteFile(g.root+"/generator", []byte(text), 0o755))
	began := time.Now()
	exec.Command("dash", g.root+"/generator", g.out, g.out, g.out).Run() //nolint:errcheck // systemd does not look at it either
	if took := time.Since(began); took > 5*time.Second || took < time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := os.Stat(g.out + "/fleet-demo-lead.service"); err == nil {
		t.Error("a unit was made")
	}
}

// The limits that the generator's own text must keep.
func TestGeneratorText(t *testing.T) {
	if n := strings.Count(string(generator), "\n"); n >= 40 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(string(generator), generatorMark) {
		t.Error("the mark is missing")
	}
}

// shellcheck reads both scripts without an exception but those that they name.
func TestShellcheck(t *testing.T) {
	if out, err := exec.Command("shellcheck", "-s", "sh", "generator.sh", "revert.sh").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
