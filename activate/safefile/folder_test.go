package safefile_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/safefile"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *safefile.Folder {
	t.Helper()
	d, err := safefile.Open(dir)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func TestReadPlain(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/a/b", 0o755))
	must(t, os.WriteFile(dir+"/a/b/f", []byte("hello"), 0o600))
	d := open(t, dir)
	b, err := d.Read("a/b/f", 5)
	must(t, err)
	if string(b) != "hello" {
		t.Errorf("got %q", b)
	}
	if _, err := d.Read("a/b/f", 4); !errors.Is(err, safefile.ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	if b, err = d.Tail("a/b/f", 2); err != nil || string(b) != "lo" {
		t.Errorf("tail: %q, %v", b, err)
	}
	if _, err := d.Read("missing", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// What an agent may put in place of a file: none may be followed, waited for or read.
func TestReadHostile(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(outside, []byte("secret"), 0o600))
	must(t, os.Symlink(outside, dir+"/absolute"))
	must(t, os.Symlink("inner", dir+"/relative"))
	must(t, os.WriteFile(dir+"/inner", nil, 0o600))
	must(t, os.Symlink(filepath.Dir(outside), dir+"/folder-link"))
	must(t, os.Symlink("/proc/self/root", dir+"/magic"))
	must(t, syscall.Mkfifo(dir+"/fifo", 0o600))
	must(t, os.Mkdir(dir+"/folder", 0o700))
	l, err := net.Listen("unix", dir+"/socket")
	must(t, err)
	defer l.Close()
	d := open(t, dir)
	for _, name := range []string{
		"absolute", "relative", "folder-link/secret", "magic/etc/passwd", "fifo", "folder", "socket",
		"..", "../x", outside, "/etc/passwd", "/proc/self/environ",
	} {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			done := make(chan error, 1)
			go func() { _, err := d.Read(name, 1<<20); done <- err }()
			select {
			case err := <-done:
				if err == nil {
					t.Error("was read")
				}
			case <-time.After(5 * time.Second):
				t.Fatal("hangs")
			}
		})
	}
	if _, err := safefile.Open(dir + "/folder-link"); err == nil {
		t.Error("a link was opened as a folder")
	}
}

// A file whose owner is not the folder's is a hard link or a plant; as root also of another user's making.
func TestReadOtherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if _, err := open(t, "/etc").Read("hostname", 1<<20); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("same owner: %v", err)
		}
		return
	}
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	must(t, os.Chown(dir+"/f", 12345, 12345))
	if _, err := open(t, dir).Read("f", 10); !errors.Is(err, safefile.ErrNotPlain) {
		t.Errorf("got %v", err)
	}
}

func TestStatAndList(t *testing.T) {
	dir := t.TempDir()
	stamp := time.Unix(1700000000, 0)
	must(t, os.WriteFile(dir+"/beat", nil, 0o600))
	must(t, os.Chtimes(dir+"/beat", stamp, stamp))
	must(t, os.Mkdir(dir+"/sub", 0o700))
	must(t, os.Symlink("/etc/passwd", dir+"/link"))
	d := open(t, dir)
	i, err := d.Stat("beat")
	must(t, err)
	if !i.ModTime.Equal(stamp) || !i.Mode.IsRegular() {
		t.Errorf("got %+v", i)
	}
	if i, err = d.Stat("link"); err == nil && i.Mode.Type() != fs.ModeSymlink {
		t.Errorf("a link was followed: %+v", i)
	}
	names, err := d.List(".", 3)
	must(t, err)
	if diff := cmp.Diff([]string{"beat", "link", "sub"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := d.List(".", 2); !errors.Is(err, safefile.ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	if names, err := d.List("sub", 5); err != nil || len(names) != 0 {
		t.Errorf("empty folder: %v, %v", names, err)
	}
}

// An agent that exchanges a file and a link as fast as it can never gets the link followed.
func TestReadRace(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("secret"), 0o600))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				os.WriteFile(dir+"/.a", []byte("plain"), 0o600)
				os.Rename(dir+"/.a", dir+"/f")
				os.Symlink(secret, dir+"/.b")
				os.Rename(dir+"/.b", dir+"/f")
			}
		}
	}()
	d := open(t, dir)
	read := 0
	// On a busy machine the other side may not get its turn within the first thousands.
	for i := 0; i < 3000 || read == 0 && i < 3_000_000; i++ {
		if b, err := d.Read("f", 100); err == nil {
			read++
			if strings.Contains(string(b), "secret") {
				t.Fatal("the link was followed")
			}
		}
	}
	close(stop)
	<-done
	if read == 0 {
		t.Error("the plain file was never seen: the race was not run")
	}
}
