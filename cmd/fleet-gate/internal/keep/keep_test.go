package keep

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

func logger() (*logrus.Logger, *bytes.Buffer) {
	b := new(bytes.Buffer)
	l := logrus.New()
	l.SetOutput(b)
	return l, b
}

func TestWrittenOnceAWhile(t *testing.T) {
	path := t.TempDir() + "/counts"
	var encoded atomic.Int64
	log, _ := logger()
	f := New(path, func() ([]byte, error) { encoded.Add(1); return []byte("text"), nil }, log)
	f.delay = 50 * time.Millisecond
	if err := f.Write(); err != nil || encoded.Load() != 0 {
		t.Errorf("written without a change: %v", err)
	}
	for range 1000 {
		f.Changed()
	}
	for end := time.Now().Add(5 * time.Second); encoded.Load() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	if b, err := os.ReadFile(path); string(b) != "text" || err != nil || encoded.Load() != 1 {
		t.Errorf("%q, %v, written %d times", b, err, encoded.Load())
	}
	f.Changed()
	if err := f.Write(); err != nil || encoded.Load() != 2 {
		t.Errorf("the last change is not written: %v, %d", err, encoded.Load())
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", i, err)
	}
}

func TestWriteFails(t *testing.T) {
	log, out := logger()
	f := New(t.TempDir()+"/gone/counts", func() ([]byte, error) { return nil, nil }, log)
	for range 3 {
		f.Changed()
		if f.Write() == nil {
			t.Error("no error")
		}
	}
	if n := strings.Count(out.String(), "cannot write state"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if !f.waits.Load() {
		t.Error("it is not tried again")
	}
}

func TestLoad(t *testing.T) {
	path := t.TempDir() + "/counts"
	log, out := logger()
	f := New(path, nil, log)
	var got string
	parse := func(b []byte) error {
		if got = string(b); got != "good" {
			return errors.New("must be good")
		}
		return nil
	}
	if err := f.Load(10, parse); err != nil || got != "" {
		t.Errorf("no file: %v", err)
	}
	os.WriteFile(path, []byte("good"), 0o600)
	if err := f.Load(10, parse); err != nil || got != "good" || out.Len() > 0 {
		t.Errorf("got %q, %v, %s", got, err, out)
	}
	for _, bad := range []string{"bad", "good and much too long"} {
		out.Reset()
		os.WriteFile(path, []byte(bad), 0o600)
		if err := f.Load(10, parse); err != nil || !strings.Contains(out.String(), "set aside") {
			t.Errorf("%q: %v, %s", bad, err, out)
		}
		if b, _ := os.ReadFile(path + ".bad"); string(b) != bad {
			t.Errorf("set aside: %q", b)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%q is still there", bad)
		}
	}
}
